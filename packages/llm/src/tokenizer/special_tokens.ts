import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import type { AddedToken } from './added_vocabulary.ts';
import { isObject, plainToken, readAddedToken } from './tokenizer_json.ts';

const FILE = 'tokenizer_config.json';
const STANDARD = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

const checks = new Checks('Tokenizer');

/** The special tokens of a model folder. */
export interface SpecialTokens {
  /** By name: `bos_token` etc., and the entries of `extra_special_tokens` if it is an object. */
  readonly named: ReadonlyMap<string, AddedToken>;
  /** Special tokens without a name. */
  readonly extra: readonly AddedToken[];
}

/**
 * Reads the special tokens of tokenizer_config.json as transformers 5.17 does: `extra_special_tokens` takes precedence
 * over its old name `additional_special_tokens`, and other keys that end in `_token` also name tokens.
 *
 * @param config The file's content, with special_tokens_map.json merged in if it applies.
 * @param defaults The tokenizer class's tokens, used if the file does not name them.
 * @param known Added tokens by content, whose flags take precedence.
 * @throws AttentionError `ERR_DTYPE` for an entry that is not a token.
 */
export function specialTokens(
  config: Readonly<Record<string, unknown>>,
  defaults: Readonly<Record<string, string>>,
  known: ReadonlyMap<string, AddedToken>,
): SpecialTokens {
  const named = new Map<string, AddedToken>();
  const name = (key: string, value: unknown): void => {
    const token = readAddedToken(value, `${FILE}: ${key}`, true);
    named.set(key, known.get(token.content) ?? token);
  };
  const given = { ...defaults, ...config };
  for (const key of STANDARD) if (given[key] !== null && given[key] !== undefined) name(key, given[key]);
  for (const [key, value] of Object.entries(config)) {
    const isName = key.endsWith('_token') && !STANDARD.includes(key);
    if (isName && (typeof value === 'string' || (isObject(value) && typeof value.content === 'string')))
      name(key, value);
  }
  const extra = config.extra_special_tokens ?? config.additional_special_tokens ?? [];
  if (isObject(extra)) {
    for (const [key, value] of Object.entries(extra)) name(key, value);
    return { named, extra: [] };
  }
  checks.expect(
    Array.isArray(extra),
    'ERR_DTYPE',
    `${FILE}: extra_special_tokens`,
    'a list or an object of tokens',
    summarize(extra),
  );
  return {
    named,
    extra: (extra as unknown[]).map((token, i) => {
      const where = `${FILE}: extra_special_tokens[${i}]`;
      return typeof token === 'string' ? plainToken(token, true) : readAddedToken(token, where, true);
    }),
  };
}
