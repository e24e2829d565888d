import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES, STORAGE_FORMATS } from '../storage/storage_types.ts';
import {
  blockTypesOf,
  checkBounds,
  describeOnBackends,
  describeOnDevices,
  expectNoLeak,
} from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { moeGemm } from './moe_gemm.ts';
import type { MoeGemmOptions } from './moe_gemm.ts';
import { expectSameAsCpu } from '../testing/expect_same_as_cpu.ts';
import { idsOf, nanRows } from '../testing/moe_case.ts';
import { sortTokensByExpert } from './sort_tokens_by_expert.ts';

interface Routing {
  /** Expert of each pair. */
  experts: number[];
  sortedTokenIds: tf.Tensor1D;
  expertIds: tf.Tensor1D;
}

function routing(experts: number[]): Routing {
  const order = experts.map((_, pair) => pair).toSorted((a, b) => experts[a] - experts[b]);
  return {
    experts,
    sortedTokenIds: tf.tensor1d(order, 'int32'),
    expertIds: tf.tensor1d(
      order.map((pair) => experts[pair]),
      'int32',
    ),
  };
}

/** Row `pair` of the result: `factor * weights[expert] · x[row]`, element by element. */
function reference(
  x: ArrayLike<number>,
  weights: ArrayLike<number>,
  [N, K]: [number, number],
  rows: { row: number; expert: number; factor: number }[],
): number[] {
  return rows.flatMap(({ row, expert, factor }) =>
    Array.from({ length: N }, (_, n) => {
      let sum = 0;
      for (let k = K - 1; k >= 0; k--) sum += x[row * K + k] * weights[(expert * N + n) * K + k];
      return sum * factor;
    }),
  );
}

/** Expects a valid call with these changes to throw. */
function expectMoeGemmError(
  code: 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_RANGE',
  message: string,
  changes: Partial<Omit<MoeGemmOptions, 'input'>> & {
    x?: tf.Tensor;
    weights?: tf.Tensor;
    sortedTokenIds?: tf.Tensor;
    expertIds?: tf.Tensor;
    input?: string;
  },
): void {
  const { x, weights, sortedTokenIds, expertIds, topk, input, topkWeights } = {
    x: tf.zeros([3, 4]),
    weights: tf.zeros([2, 5, 4]),
    ...routing([0, 1, 1, 0, 0, 1]),
    topk: 2,
    input: 'tokens',
    topkWeights: undefined,
    ...changes,
  };
  const options = { topk, input, topkWeights } as MoeGemmOptions;
  const call = () => moeGemm(x, weights, sortedTokenIds, expertIds, options);
  expectAttentionError(call, code, `[moeGemm] ${message}`);
}

describeOnBackends('moeGemm', (backendName) => {
  for (const blocks of blockTypesOf(backendName, 'moeGemm'))
    test.each(ELEMENT_STORAGE_TYPES)(`takes weights in ${blocks} with x in %s`, (storage) => {
      const random = new Random(31);
      const { blockLength } = STORAGE_FORMATS[blocks];
      // Few and many pairs per expert, in whole and partial tiles.
      for (const [tokens, topk, numExperts, N, K] of [
        [9, 2, 4, 7, 2 * blockLength],
        [1, 1, 1, 16, 9 * blockLength],
        [20, 4, 16, 19, blockLength],
        [70, 2, 2, 17, blockLength],
      ]) {
        const ids = Array.from({ length: tokens * topk }, () => random.integer(0, numExperts - 1));
        const { experts, sortedTokenIds, expertIds } = routing(ids);
        const x = randomTensor(random, [tokens, K], storage);
        const weights = randomTensor(random, [numExperts, N, K], blocks);
        const factors = random.normal(tokens * topk);
        const topkWeights = tf.tensor2d(factors, [tokens, topk]);
        const y = moeGemm(x.tensor, weights.tensor, sortedTokenIds, expertIds, {
          topk,
          input: 'tokens',
          topkWeights,
        });
        const rows = experts.map((expert, pair) => ({
          row: Math.floor(pair / topk),
          expert,
          factor: factors[pair],
        }));
        const expected = reference(x.values, weights.values, [N, K], rows);
        expectMatches(y, expected, [tokens * topk, N], storage);
      }
    });

  for (const input of ['tokens', 'pairs'] as const) {
    for (const weighted of [false, true]) {
      test.each(ELEMENT_STORAGE_TYPES)(
        `agrees with float64 in %s, ${input}, weighted ${weighted}`,
        (storage) => {
          const random = new Random(3);
          for (const [tokens, topk, numExperts, N, K] of [
            [1, 2, 4, 7, 16],
            [9, 2, 4, 16, 40],
            [17, 3, 5, 33, 17],
            [40, 1, 2, 5, 8],
            [3, 4, 64, 1, 1],
          ]) {
            const pairs = tokens * topk;
            const { experts, sortedTokenIds, expertIds } = routing(
              Array.from({ length: pairs }, () => random.integer(0, numExperts - 1)),
            );
            const x = randomTensor(random, [input === 'tokens' ? tokens : pairs, K], storage);
            const weights = randomTensor(random, [numExperts, N, K], storage);
            const factors = random.normal(pairs);
            const topkWeights = weighted ? tf.tensor2d(factors, [tokens, topk]) : undefined;
            const y = moeGemm(x.tensor, weights.tensor, sortedTokenIds, expertIds, {
              topk,
              input,
              topkWeights,
            });
            const rows = experts.map((expert, pair) => ({
              row: input === 'tokens' ? Math.floor(pair / topk) : pair,
              expert,
              factor: weighted ? factors[pair] : 1,
            }));
            expectMatches(y, reference(x.values, weights.values, [N, K], rows), [pairs, N], storage);
          }
        },
      );
    }
  }

  test('reads no expert that has no pair', () => {
    const { sortedTokenIds, expertIds } = routing([2, 0, 2]);
    const weights = tf.tensor3d([1, 2, NaN, NaN, 3, 4], [3, 1, 2]);
    const y = moeGemm(tf.ones([3, 2]), weights, sortedTokenIds, expertIds, { topk: 1, input: 'tokens' });
    expect(y.arraySync()).toEqual([[7], [3], [7]]);
  });

  test('takes no tokens', () => {
    const empty = tf.zeros([0], 'int32');
    const y = moeGemm(tf.zeros([0, 4]), tf.zeros([2, 3, 4]), empty, empty, { topk: 2, input: 'tokens' });
    expect(y.shape).toEqual([0, 3]);
  });

  test('leaks nothing', () => {
    const { sortedTokenIds, expertIds } = routing([0, 1, 1, 0]);
    const [x, weights, topkWeights] = [tf.ones([2, 4]), tf.ones([2, 3, 4]), tf.ones([2, 2])];
    expectNoLeak(() =>
      moeGemm(x, weights, sortedTokenIds, expertIds, { topk: 2, input: 'tokens', topkWeights }),
    );
  });

  test('names argument, expected and received', () => {
    const { sortedTokenIds, expertIds } = routing([0]);
    const noOptions = undefined as unknown as MoeGemmOptions;
    expectAttentionError(
      () => moeGemm(tf.zeros([1, 4]), tf.zeros([2, 5, 4]), sortedTokenIds, expertIds, noOptions),
      'ERR_DTYPE',
      '[moeGemm] options: expected an object, received undefined',
    );
    expectMoeGemmError('ERR_RANGE', 'topk: expected an integer >= 1, received 0', { topk: 0 });
    expectMoeGemmError('ERR_RANGE', 'input: expected one of "tokens", "pairs", received "rows"', {
      input: 'rows',
    });
    expectMoeGemmError('ERR_DTYPE', 'x: expected float32, received int32', { x: tf.zeros([3, 4], 'int32') });
    expectMoeGemmError('ERR_SHAPE', 'weights: expected shape [experts, N, K], received [5, 4]', {
      weights: tf.zeros([5, 4]),
    });
    expectMoeGemmError('ERR_DTYPE', 'weights: expected storage float32 to match x, received float16', {
      weights: zerosWithStorage([2, 5, 4], 'float16'),
    });
    expectMoeGemmError('ERR_DTYPE', 'sortedTokenIds: expected int32, received float32', {
      sortedTokenIds: tf.zeros([6]),
    });
    expectMoeGemmError('ERR_DTYPE', 'expertIds: expected int32, received float32', {
      expertIds: tf.zeros([6]),
    });
    for (const shape of [[5], [3, 2]]) {
      expectMoeGemmError(
        'ERR_SHAPE',
        `sortedTokenIds: expected shape [pairs] with pairs a multiple of topk 2, received [${shape.join(', ')}]`,
        { sortedTokenIds: tf.zeros(shape, 'int32') },
      );
    }
    expectMoeGemmError('ERR_SHAPE', 'expertIds: expected shape [6], received [4]', {
      expertIds: tf.zeros([4], 'int32'),
    });
    expectMoeGemmError('ERR_SHAPE', 'x: expected shape [3, 4], received [6, 4]', { x: tf.zeros([6, 4]) });
    expectMoeGemmError('ERR_SHAPE', 'x: expected shape [3, 4], received [3, 5]', { x: tf.zeros([3, 5]) });
    expectMoeGemmError('ERR_SHAPE', 'x: expected shape [6, 4], received [3, 4]', { input: 'pairs' });
    expectMoeGemmError('ERR_SHAPE', 'topkWeights: expected shape [3, 2], received [6]', {
      topkWeights: tf.zeros([6]),
    });
    expectMoeGemmError('ERR_DTYPE', 'topkWeights: expected float32, received int32', {
      topkWeights: tf.zeros([3, 2], 'int32'),
    });
    expectMoeGemmError('ERR_DTYPE', 'topkWeights: expected storage float32, received bfloat16', {
      topkWeights: zerosWithStorage([3, 2], 'bfloat16'),
    });
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    test.each([
      [[0, 1, 2, 3, 4, 4], 4, 5],
      [[0, 1, 2, 3, 4, 6], 6, 5],
      [[-1, 1, 2, 3, 4, 5], -1, 0],
    ])('rejects sortedTokenIds %j', (ids, received, at) => {
      const expected = `expected each of 0..5 exactly once, received ${received} at ${at}`;
      expectMoeGemmError('ERR_RANGE', `sortedTokenIds: ${expected}`, {
        sortedTokenIds: tf.tensor1d(ids, 'int32'),
      });
    });

    test.each([
      [[0, 0, 0, 1, 1, 2], 2, 5],
      [[-1, 0, 0, 1, 1, 1], -1, 0],
      [[0, 1, 0, 1, 1, 1], 0, 2],
    ])('rejects expertIds %j', (ids, received, at) => {
      const expected = `expected expert ids >= 0 and < 2, ascending, received ${received} at ${at}`;
      expectMoeGemmError('ERR_RANGE', `expertIds: ${expected}`, { expertIds: tf.tensor1d(ids, 'int32') });
    });
  });

  if (backendName !== 'cpu') return;

  test('gives a row the same bits in any batch', () => {
    const random = new Random(4);
    const { tensor: x } = randomTensor(random, [13, 50]);
    const { tensor: weights } = randomTensor(random, [3, 9, 50]);
    const { experts, sortedTokenIds, expertIds } = routing(
      Array.from({ length: 13 }, () => random.integer(0, 2)),
    );
    const batched = moeGemm(x, weights, sortedTokenIds, expertIds, { topk: 1, input: 'tokens' }).arraySync();
    experts.forEach((expert, token) => {
      const alone = routing([expert]);
      const row = moeGemm(tf.slice(x, [token, 0], [1, 50]), weights, alone.sortedTokenIds, alone.expertIds, {
        topk: 1,
        input: 'tokens',
      });
      expect(row.arraySync()).toEqual([batched[token]]);
    });
  });
});

describeOnDevices('moeGemm in tiles and by rows', () => {
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
    for (const storage of ELEMENT_STORAGE_TYPES) {
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

  // 3 tokens go by rows, 60 by tiles, as do lines of 9 elements anywhere.
  const sizes = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
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
      const others = Array.from({ length: 2 * tokens }, (_, pair) => pair).filter((i) => i !== 2 && i !== 5);
      expect(nanRows(pairs)).toEqual({ all: [2, 5], none: others });
    },
  );
});
