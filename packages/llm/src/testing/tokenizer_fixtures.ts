import { readFileSync } from 'node:fs';
import type { ChatMessage } from '../tokenizer/index.ts';

/** A text's token ids with special tokens and without. */
type EncodedText = [withSpecialTokens: number[], without: number[]];

/** Token ids, and their text without special tokens and with them. */
type DecodedText = [tokenIds: number[], text: string, withSpecialTokens: string];

/** The prompt that transformers renders for a conversation, or its error. */
type Prompt = { text: string; ids: number[] } | { error: string };

/** A model folder, and transformers' results for it. */
export interface FixtureFolder {
  /** The name of its tokenizer.json in {@link TokenizerFixtures.tokenizers}. */
  tokenizer: string;
  /** Its other files, as JSON or text. */
  files: Record<string, object | string>;
  class: string;
  vocabSize: number;
  texts: EncodedText[];
  decoded: DecodedText[];
  bosTokenId: number | null;
  eosTokenId: number | null;
  chats: Prompt[];
}

/** A conversation, and the options of `applyChatTemplate`. */
export interface FixtureConversation {
  messages: ChatMessage[];
  addGenerationPrompt?: boolean;
  variables?: Record<string, unknown>;
}

/** The output of make_tokenizer_fixtures.py. */
export interface TokenizerFixtures {
  transformers: string;
  oddTexts: string[];
  conversations: FixtureConversation[];
  variables: Record<string, unknown>;
  tokenizers: Record<string, object>;
  folders: Record<string, FixtureFolder>;
  /** Templates, and their output with `variables`; null if jinja2 raises an error. */
  templates: { template: string; text: string | null; error?: string }[];
  strftime: [date: string, format: string, text: string][];
}

const FILE = new URL('../../fixtures/tokenizers/tokenizer_fixtures.json', import.meta.url);

/** Reads the fixtures. */
export function tokenizerFixtures(): TokenizerFixtures {
  return JSON.parse(readFileSync(FILE, 'utf8')) as TokenizerFixtures;
}
