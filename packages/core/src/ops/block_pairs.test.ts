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

/** Orders in which a device may copy a run. */
const deviceOrders = {
  'all reads before all writes': (source: number[], destination: number[], pairs: Int32Array) => {
    const read = Array.from({ length: pairs.length / 2 }, (_, i) => source[pairs[2 * i]]);
    for (let i = read.length - 1; i >= 0; i--) destination[pairs[2 * i + 1]] = read[i];
  },
  'the last pair first': (source: number[], destination: number[], pairs: Int32Array) => {
    for (let i = pairs.length - 2; i >= 0; i -= 2) destination[pairs[i + 1]] = source[pairs[i]];
  },
};

const cases = Object.entries(deviceOrders).flatMap(([order, copy]) =>
  [true, false].map((within) => [order, within, copy] as const),
);

test.each(cases)(
  'runs give what pair after pair gives: %s, within one tensor: %p',
  (_order, within, copy) => {
    fc.assert(
      fc.property(pairsOf(5), (pairs) => {
        const [expected, actual] = [0, 1].map(() => {
          const source = [10, 11, 12, 13, 14];
          return { source, destination: within ? source : [20, 21, 22, 23, 24] };
        });
        copyInOrder(expected.source, expected.destination, pairs);
        for (const run of independentRuns(pairs, within)) copy(actual.source, actual.destination, run);
        expect(actual).toEqual(expected);
      }),
      { numRuns: 1000 },
    );
  },
);

test('a run begins where a pair depends on one of its run, not of an earlier one', () => {
  const [chain, free] = [Int32Array.of(0, 1), Int32Array.of(1, 2, 3, 0)];
  expect(independentRuns(Int32Array.of(...chain, ...free), true)).toEqual([chain, free]);
});

test('pairs that are independent stay one run', () => {
  const pairs = Int32Array.of(0, 1, 0, 2, 3, 4);
  expect(independentRuns(pairs, true)).toEqual([pairs]);
  expect(independentRuns(new Int32Array(0), true)).toEqual([new Int32Array(0)]);
  expect(independentRuns(Int32Array.of(0, 1, 1, 0), false)).toHaveLength(1);
});
