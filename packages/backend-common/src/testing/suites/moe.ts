import { STORAGE_TYPES, fusedMoe, moeGemm, sortTokensByExpert, topkSoftmax } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../../core/src/testing/random.ts';
import { randomTensor } from '../../../../core/src/testing/tensors.ts';
import { expectSameAsCpu } from '../expect_same_as_cpu.ts';
import type { DescribeSuite } from '../describe_suite.ts';

/** Expert ids of tokens with `k` each: expert `e` has `counts[e]` pairs. */
function idsOf(random: Random, counts: number[], k: number): tf.Tensor2D {
  const experts = counts.flatMap((count, expert) => Array.from({ length: count }, () => expert));
  const shuffled = random.permutation(experts.length).map((i) => experts[i]);
  return tf.tensor2d(shuffled, [experts.length / k, k], 'int32');
}

/** Rows of `tensor` that are all NaN, and those without any. */
function nanRows(tensor: tf.Tensor): { all: number[]; none: number[] } {
  const rows = tensor.arraySync() as number[][];
  const rowsWhere = (holds: (row: number[]) => boolean) => rows.flatMap((row, i) => (holds(row) ? [i] : []));
  return {
    all: rowsWhere((row) => row.every(Number.isNaN)),
    none: rowsWhere((row) => !row.some(Number.isNaN)),
  };
}

export function moeSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('mixture of experts on a device', () => {
    // Tiles hold 32, 64 or 128 pairs by 64 to 256 columns; steps of the depth are 32 to 64 elements. The last ones go
    // without tiles: few pairs, or few an expert.
    test.each([
      [[32, 0, 33, 31], 64, 32],
      [[65, 1, 0, 30], 63, 33],
      [[0, 0, 0, 128], 65, 64],
      [[96], 130, 31],
      [Array.from({ length: 300 }, (_, expert) => (expert % 100 === 7 ? 300 : 0)), 4, 8],
      [[200, 60, 130], 264, 72],
      [[10, 0, 3, 1], 40, 136],
      [Array.from({ length: 16 }, (_, expert) => [1, 9, 0, 4][expert % 4]), 36, 264],
    ])('moeGemm agrees with cpu for experts of %j pairs, N %d, K %d', async (counts, N, K) => {
      for (const storage of STORAGE_TYPES) {
        await expectSameAsCpu(() => {
          const random = new Random(21);
          const ids = idsOf(random, counts, 2);
          const { sortedTokenIds, expertIds } = sortTokensByExpert(ids, counts.length);
          const x = randomTensor(random, [ids.shape[0], K], storage).tensor;
          const weights = randomTensor(random, [counts.length, N, K], storage).tensor;
          const options = { topk: 2, input: 'tokens', topkWeights: tf.ones(ids.shape) } as const;
          return [moeGemm(x, weights, sortedTokenIds, expertIds, options)];
        });
      }
    });

    test('fusedMoe agrees with cpu across several tiles of rows and columns', async () => {
      for (const storage of STORAGE_TYPES) {
        await expectSameAsCpu(() => {
          const random = new Random(22);
          const ids = idsOf(random, [70, 2, 40], 2);
          const [tokens] = ids.shape;
          const x = randomTensor(random, [tokens, 72], storage).tensor;
          const gateUp = randomTensor(random, [3, 80, 72], storage, 0.2).tensor;
          const down = randomTensor(random, [3, 72, 40], storage, 0.2).tensor;
          return [fusedMoe(x, gateUp, down, tf.ones(ids.shape), ids)];
        });
      }
    });

    // 3 tokens go by rows, 60 by tiles, as do lines of 9 elements anywhere.
    const sizes = STORAGE_TYPES.flatMap((storage) =>
      [3, 18, 60].flatMap((tokens) => [9, 24].map((depth) => [tokens, depth, storage] as const)),
    );
    test.each(sizes)(
      'a pair without an expert is NaN, no other: %d tokens, depth %d, %s',
      (tokens, depth, storage) => {
        const random = new Random(23);
        const experts = Array.from({ length: 2 * tokens }, () => random.integer(0, 2));
        experts[2] = -1;
        experts[3] = 2;
        experts[5] = 3;
        const ids = tf.tensor2d(experts, [tokens, 2], 'int32');
        const order = sortTokensByExpert(ids, 3);
        expect(order.sortedTokenIds.arraySync().slice(-2)).toEqual([2, 5]);
        expect(order.expertIds.arraySync().slice(-3)).toEqual([2, -1, -1]);

        const x = randomTensor(random, [tokens, depth], storage).tensor;
        const weights = randomTensor(random, [3, 16, depth], storage).tensor;
        const pairs = moeGemm(x, weights, order.sortedTokenIds, order.expertIds, {
          topk: 2,
          input: 'tokens',
        });
        const others = Array.from({ length: 2 * tokens }, (_, pair) => pair).filter(
          (i) => i !== 2 && i !== 5,
        );
        expect(nanRows(pairs)).toEqual({ all: [2, 5], none: others });

        const down = randomTensor(random, [3, depth, 8], storage).tensor;
        const y = fusedMoe(x, weights, down, tf.ones([tokens, 2]), ids);
        const otherTokens = Array.from({ length: tokens }, (_, token) => token).filter(
          (i) => i !== 1 && i !== 2,
        );
        expect(nanRows(y)).toEqual({ all: [1, 2], none: otherTokens });
      },
    );

    test('topkSoftmax gives a token without a softmax NaN weights and ids within range', () => {
      const rows = [
        [0, NaN, 1],
        [0, 1, Infinity],
        [-Infinity, -Infinity, -Infinity],
        [NaN, NaN, NaN],
        [0, 1, 2],
      ];
      for (const renormalize of [false, true]) {
        const { weights, ids } = topkSoftmax(tf.tensor2d(rows), 3, { renormalize });
        expect(nanRows(weights)).toEqual({ all: [0, 1, 2, 3], none: [4] });
        ids.arraySync().forEach((row) => expect(row.toSorted((a, b) => a - b)).toEqual([0, 1, 2]));
      }
    });
  });
}
