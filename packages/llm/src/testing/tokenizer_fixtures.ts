import { readFileSync } from 'node:fs';
import type { ChatMessage } from '../tokenizer/index.ts';

/** Token ids of a text, with special tokens around it and without. */
type EncodedText = [withSpecialTokens: number[], without: number[]];

/** A text of token ids, without special tokens and with them. */
type DecodedText = [tokenIds: number[], text: string, withSpecialTokens: string];

/** A prompt that transformers makes of a conversation, or that it refuses to. */
type Prompt = { text: string; ids: number[] } | { error: string };

/** A model folder and what transformers makes of it. */
export interface FixtureFolder {
  /** Name of its tokenizer.json in {@link TokenizerFixtures.tokenizers}. */
  tokenizer: string;
  /** Its other files: JSON, or text. */
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

/** What make_tokenizer_fixtures.py writes. */
export interface TokenizerFixtures {
  transformers: string;
  oddTexts: string[];
  conversations: FixtureConversation[];
  variables: Record<string, unknown>;
  tokenizers: Record<string, object>;
  folders: Record<string, FixtureFolder>;
  /** Templates, and what they render to with `variables`: null where jinja2 refuses. */
  templates: { template: string; text: string | null; error?: string }[];
  strftime: [date: string, format: string, text: string][];
}

const FILE = new URL('../../fixtures/tokenizers/tokenizer_fixtures.json', import.meta.url);

/** Reads the fixtures. */
export function tokenizerFixtures(): TokenizerFixtures {
  return JSON.parse(readFileSync(FILE, 'utf8')) as TokenizerFixtures;
}
