export { ChatTemplate } from './chat_template.ts';
export type { ChatMessage, ChatOptions, ChatTemplateConfig } from './chat_template.ts';
export { Detokenizer } from './detokenizer.ts';
export type { Decode } from './detokenizer.ts';
export { Tokenizer } from './tokenizer.ts';
export type { TokenizerConfig } from './tokenizer_config.ts';
