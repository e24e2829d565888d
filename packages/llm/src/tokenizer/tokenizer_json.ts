import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import type { AddedToken } from './added_vocabulary.ts';

/** Upper bound on token ids. The largest known vocabularies have about 256,000 tokens. */
const MAX_TOKENS = 2 ** 24;

/** The parts of tokenizer.json that are used. */
export interface TokenizerJson {
  readonly model: {
    readonly type?: string;
    /** Ids by token; for Unigram, tokens and scores ordered by id. */
    readonly vocab: Readonly<Record<string, number>> | readonly [string, number][];
    readonly [key: string]: unknown;
  };
  readonly added_tokens: readonly object[];
  readonly normalizer: object | null;
  readonly pre_tokenizer: object | null;
  readonly post_processor: object | null;
  readonly decoder: object | null;
}

const checks = new Checks('Tokenizer');
const FILE = 'tokenizer.json';

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function expectKind(valid: boolean, argument: string, expected: string, received: unknown): void {
  checks.expect(valid, 'ERR_DTYPE', argument, expected, summarize(received));
}

/**
 * Checks everything that later code relies on in a tokenizer.json.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` when it is none, `ERR_DTYPE` and `ERR_RANGE` for a part that is not what it
 * should be.
 */
export function checkTokenizerJson(json: unknown): TokenizerJson {
  const file = isObject(json) ? json : {};
  checks.expect(
    isObject(file.model),
    'ERR_UNSUPPORTED',
    FILE,
    'a supported tokenizer, with a model',
    summarize(json),
  );
  for (const part of ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder']) {
    const value = file[part] ?? null;
    expectKind(value === null || isObject(value), `${FILE}: ${part}`, 'an object or null', value);
  }
  const added = file.added_tokens ?? [];
  expectKind(
    Array.isArray(added) && added.every(isObject),
    `${FILE}: added_tokens`,
    'a list of objects',
    added,
  );
  checkVocabulary((file.model as TokenizerJson['model']).vocab);
  checkMerges((file.model as TokenizerJson['model']).merges ?? []);
  return {
    ...(file as unknown as TokenizerJson),
    added_tokens: added as object[],
    ...Object.fromEntries(
      ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'].map((part) => [part, file[part] ?? null]),
    ),
  };
}

function checkVocabulary(vocab: unknown): void {
  const argument = `${FILE}: model.vocab`;
  if (Array.isArray(vocab)) {
    const wrong = vocab.find(
      (entry) => !Array.isArray(entry) || typeof entry[0] !== 'string' || !Number.isFinite(entry[1]),
    );
    expectKind(wrong === undefined, argument, 'pairs of a token and its score', wrong);
    checks.expect(
      vocab.length > 0 && vocab.length < MAX_TOKENS,
      'ERR_RANGE',
      argument,
      'tokens',
      vocab.length,
    );
    return;
  }
  expectKind(isObject(vocab), argument, 'ids by token', vocab);
  for (const [token, id] of Object.entries(vocab as object)) {
    const valid = Number.isInteger(id) && id >= 0 && id < MAX_TOKENS;
    if (!valid) {
      const expected = `an id from 0 to ${MAX_TOKENS - 1}`;
      checks.fail('ERR_RANGE', `${argument}: ${summarize(token)}`, expected, summarize(id));
    }
  }
}

function isPair(merge: unknown): boolean {
  if (typeof merge === 'string') return true;
  return Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === 'string');
}

function checkMerges(merges: unknown): void {
  const wrong = Array.isArray(merges) ? merges.findIndex((merge) => !isPair(merge)) : 0;
  const received = Array.isArray(merges) ? (merges[wrong] as unknown) : merges;
  expectKind(wrong === -1, `${FILE}: model.merges`, 'pairs of tokens', received);
}

/**
 * Reads an added token.
 *
 * @param where The token's name in error messages.
 * @param special Whether it is special if the file does not say.
 */
export function readAddedToken(json: unknown, where: string, special = false): AddedToken {
  if (typeof json === 'string') return plainToken(json, special);
  expectKind(
    isObject(json) && typeof json.content === 'string',
    where,
    'a token: a text, or an object with a content',
    json,
  );
  const entry = json as Record<string, unknown>;
  const flag = (name: string, fallback: boolean): boolean => {
    const value = entry[name] ?? fallback;
    expectKind(typeof value === 'boolean', `${where}: ${name}`, 'true or false', value);
    return value as boolean;
  };
  const isSpecial = flag('special', special);
  return {
    content: entry.content as string,
    singleWord: flag('single_word', false),
    lstrip: flag('lstrip', false),
    rstrip: flag('rstrip', false),
    normalized: flag('normalized', !isSpecial),
    special: isSpecial,
  };
}

/** An added token with all flags off. */
export function plainToken(content: string, special: boolean): AddedToken {
  return { content, singleWord: false, lstrip: false, rstrip: false, normalized: !special, special };
}
