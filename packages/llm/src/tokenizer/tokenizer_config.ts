import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import type { ChatTemplateConfig } from './chat_template.ts';
import { isObject } from './tokenizer_json.ts';

/** What is read of tokenizer_config.json. */
export interface TokenizerConfig {
  /** Class of transformers, which may build parts of the tokenizer itself. */
  tokenizer_class?: string | null;
  /** Jinja source of the chat template, or several by name. */
  chat_template?: ChatTemplateConfig | null;
  /** Added tokens by id. */
  added_tokens_decoder?: Record<string, unknown> | null;
  /** Special tokens (`bos_token`, `eos_token`, …) and settings. */
  [key: string]: unknown;
}

const FILE = 'tokenizer_config.json';
const BOOLEANS = ['split_special_tokens', 'add_prefix_space', 'legacy'];

const checks = new Checks('Tokenizer');

/**
 * Checks the settings that are used here. Special tokens and templates are checked where they are read.
 *
 * @throws AttentionError `ERR_DTYPE` for a value of the wrong kind.
 */
export function checkTokenizerConfig(config: unknown): void {
  checks.expect(isObject(config), 'ERR_DTYPE', FILE, 'a JSON object', summarize(config));
  const { tokenizer_class: name, added_tokens_decoder: added, ...rest } = config as TokenizerConfig;
  const kind = (valid: boolean, key: string, expected: string, received: unknown): void =>
    checks.expect(valid, 'ERR_DTYPE', `${FILE}: ${key}`, expected, summarize(received));
  kind(
    name === undefined || name === null || typeof name === 'string',
    'tokenizer_class',
    'a text or null',
    name,
  );
  kind(
    added === undefined || added === null || isObject(added),
    'added_tokens_decoder',
    'tokens by id',
    added,
  );
  for (const key of BOOLEANS) {
    const value = rest[key];
    kind(
      value === undefined || value === null || typeof value === 'boolean',
      key,
      'true, false or null',
      value,
    );
  }
}
