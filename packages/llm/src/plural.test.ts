import { expect, test } from '@jest/globals';
import { plural } from './plural.ts';

test.each([
  [0, '0 tokens'],
  [1, '1 token'],
  [2, '2 tokens'],
  ['1', '1 token'],
  ['1,001', '1,001 tokens'],
])('%s', (count, text) => {
  expect(plural(count, 'token')).toBe(text);
});
