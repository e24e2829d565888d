import { expect, test } from '@jest/globals';
import { summarize } from './summarize.ts';

test.each([
  [7, '7'],
  [null, 'null'],
  [undefined, 'undefined'],
  ['a"b', String.raw`"a\"b"`],
  [{ a: 1 }, 'an object'],
  [[], '[]'],
  [[1, 'a', null, [], [2], {}], '[1, "a", null, [], […], an object]'],
  [Array(8).fill(0), '[0, 0, 0, 0, 0, 0, 0, 0]'],
  [Array(9).fill(0), '[0, 0, 0, 0, 0, 0, 0, 0, …]'],
  ['x'.repeat(80), `"${'x'.repeat(80)}"`],
  ['x'.repeat(81), `"${'x'.repeat(80)}…"`],
])('summarizes %j', (value, expected) => {
  expect(summarize(value)).toBe(expected);
});
