import { expect, test } from '@jest/globals';
import { alibiSlopes } from './alibi.ts';

test.each([
  [1, [2 ** -8]],
  [2, [2 ** -4, 2 ** -8]],
  [3, [2 ** -4, 2 ** -8, 2 ** -2]],
  [8, [1, 2, 3, 4, 5, 6, 7, 8].map((power) => 2 ** -power)],
  [12, [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5].map((power) => 2 ** -power)],
])('slopes of %i heads', (heads, slopes) => {
  const actual = alibiSlopes(heads);
  expect(actual).toHaveLength(heads);
  actual.forEach((slope, i) => expect(slope).toBeCloseTo(slopes[i], 12));
});
