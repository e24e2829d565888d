import { AttentionError } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import { byteTokenizerJson } from '../testing/byte_tokenizer.ts';
import { tokenizerFixtures } from '../testing/tokenizer_fixtures.ts';
import { checkPattern, checkSteps } from './regex_safety.ts';
import { Tokenizer } from './tokenizer.ts';

/** Patterns of models that the fixtures do not have. */
const published = [
  // GPT-4o
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  // Kimi
  '[\\p{Han}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}&&[^\\p{Han}]]+|\\s+',
  // Llama 4
  '[^\\r\\n\\p{L}\\p{N}]?((?=[\\p{L}])([^a-z]))*((?=[\\p{L}])([^A-Z]))+|\\p{N}{1,3}',
  ' {2,}',
  '\\n\\n+',
];

/** How often lengths are retried, one inside the other. */
const degrees: [pattern: string, degree: number][] = [
  ['abc', 0],
  ['a+', 0],
  ['a+$', 1],
  ['a+b?', 0],
  ['a+b', 1],
  ['a*b{2}', 1],
  ['\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+', 1],
  ['(?:x|yz)a*b*', 1],
  ['a*b*c', 2],
  ['a*(?:b*)c', 2],
  ['(a*b)(c*d)|e+', 2],
  ['a*b*c*d', 3],
  [published[0], 1],
];

const exploding = [
  '(a+)+$',
  '(a|a)*$',
  '(?:a|aa)+b',
  '((a*)*)*',
  '(\\s+\\w*)+x',
  '([ab]*c?)*d',
  'a*a*a*a*b',
  '(?i:x+)+',
];

describe('regular expressions of a tokenizer', () => {
  test.each(published)('may be %s', (pattern) => {
    expect(() => checkPattern(pattern, 'here')).not.toThrow();
  });

  test.each(degrees)('%s takes a power of %d', (pattern, degree) => {
    expect(checkPattern(pattern, 'here')).toBe(degree);
  });

  test('may be those of the fixtures', () => {
    for (const tokenizer of Object.values(tokenizerFixtures().tokenizers) as Record<
      string,
      object | null
    >[]) {
      for (const part of ['normalizer', 'pre_tokenizer', 'decoder']) {
        expect(checkSteps(part, tokenizer[part])).toBeLessThanOrEqual(1);
      }
    }
  });

  test.each(exploding)('must not be %s', (Regex) => {
    const pre_tokenizer = { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false };
    expect(() => new Tokenizer({ ...byteTokenizerJson(), pre_tokenizer })).toThrow(AttentionError);
    expect(() => new Tokenizer({ ...byteTokenizerJson(), pre_tokenizer })).toThrow(
      'tokenizer.json: pre_tokenizer: pattern: expected a regular expression that takes a bounded time',
    );
  });

  test('must not lengthen a text without limit', () => {
    const step = { type: 'Replace', pattern: { String: 'a' }, content: 'aa' };
    const normalizer = { type: 'Sequence', normalizers: Array.from({ length: 40 }, () => step) };
    expect(() => new Tokenizer({ ...byteTokenizerJson(), normalizer })).toThrow(
      'tokenizer.json: normalizer: expected replacements that make a text at most 1024 times as long',
    );
  });
});
