import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { independentRuns } from './block_pairs.ts';

const pairsOf = (numBlocks: number) =>
  fc
    .array(fc.tuple(fc.nat(numBlocks - 1), fc.nat(numBlocks - 1)), { maxLength: 12 })
    .map((list) => Int32Array.from(list.flat()));

/** Copies pair after pair. */
function copyInOrder(source: number[], destination: number[], pairs: Int32Array): void {
  for (let i = 0; i < pairs.length; i += 2) destination[pairs[i + 1]] = source[pairs[i]];
}

/** Reads all sources before it writes, from the last pair to the first: one of the orders that a device may take. */
function copyAtOnce(source: number[], destination: number[], pairs: Int32Array): void {
  const read = Array.from({ length: pairs.length / 2 }, (_, i) => source[pairs[2 * i]]);
  for (let i = read.length - 1; i >= 0; i--) destination[pairs[2 * i + 1]] = read[i];
}

test.each([true, false])('runs give what pair after pair gives (within one tensor: %p)', (within) => {
  fc.assert(
    fc.property(pairsOf(5), (pairs) => {
      const [first, second] = [0, 1].map(() => {
        const source = [10, 11, 12, 13, 14];
        return { source, destination: within ? source : [20, 21, 22, 23, 24] };
      });
      copyInOrder(first.source, first.destination, pairs);
      for (const run of independentRuns(pairs, within)) copyAtOnce(second.source, second.destination, run);
      expect(second).toEqual(first);
    }),
  );
});

test('pairs that are independent stay one run', () => {
  const pairs = Int32Array.of(0, 1, 0, 2, 3, 4);
  expect(independentRuns(pairs, true)).toEqual([pairs]);
  expect(independentRuns(new Int32Array(0), true)).toEqual([new Int32Array(0)]);
  expect(independentRuns(Int32Array.of(0, 1, 1, 0), false)).toHaveLength(1);
});
