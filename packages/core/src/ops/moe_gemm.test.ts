import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { STORAGE_TYPES } from '../storage/storage_types.ts';
import { checkBounds, describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { moeGemm } from './moe_gemm.ts';
import type { MoeGemmOptions } from './moe_gemm.ts';

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

/** Runs a valid call with some arguments changed. */
function expectRejected(
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
  const { x, weights, sortedTokenIds, expertIds, ...options } = {
    x: tf.zeros([3, 4]),
    weights: tf.zeros([2, 5, 4]),
    ...routing([0, 1, 1, 0, 0, 1]),
    topk: 2,
    input: 'tokens',
    ...changes,
  };
  const call = () => moeGemm(x, weights, sortedTokenIds, expertIds, options as MoeGemmOptions);
  expectAttentionError(call, code, `[moeGemm] ${message}`);
}

describeOnBackends('moeGemm', (backendName) => {
  for (const input of ['tokens', 'pairs'] as const) {
    for (const weighted of [false, true]) {
      test.each(STORAGE_TYPES)(`agrees with float64 in %s, ${input}, weighted ${weighted}`, (storage) => {
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
      });
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
    expectRejected('ERR_RANGE', 'topk: expected an integer >= 1, received 0', { topk: 0 });
    expectRejected('ERR_RANGE', 'input: expected one of "tokens", "pairs", received "rows"', {
      input: 'rows',
    });
    expectRejected('ERR_DTYPE', 'x: expected float32, received int32', { x: tf.zeros([3, 4], 'int32') });
    expectRejected('ERR_SHAPE', 'weights: expected shape [experts, N, K], received [5, 4]', {
      weights: tf.zeros([5, 4]),
    });
    expectRejected('ERR_DTYPE', 'weights: expected storage float32 to match x, received float16', {
      weights: zerosWithStorage([2, 5, 4], 'float16'),
    });
    expectRejected('ERR_DTYPE', 'sortedTokenIds: expected int32, received float32', {
      sortedTokenIds: tf.zeros([6]),
    });
    expectRejected('ERR_DTYPE', 'expertIds: expected int32, received float32', { expertIds: tf.zeros([6]) });
    for (const shape of [[5], [3, 2]]) {
      expectRejected(
        'ERR_SHAPE',
        `sortedTokenIds: expected shape [pairs] with pairs a multiple of topk 2, received [${shape.join(', ')}]`,
        { sortedTokenIds: tf.zeros(shape, 'int32') },
      );
    }
    expectRejected('ERR_SHAPE', 'expertIds: expected shape [6], received [4]', {
      expertIds: tf.zeros([4], 'int32'),
    });
    expectRejected('ERR_SHAPE', 'x: expected shape [3, 4], received [6, 4]', { x: tf.zeros([6, 4]) });
    expectRejected('ERR_SHAPE', 'x: expected shape [3, 4], received [3, 5]', { x: tf.zeros([3, 5]) });
    expectRejected('ERR_SHAPE', 'x: expected shape [6, 4], received [3, 4]', { input: 'pairs' });
    expectRejected('ERR_SHAPE', 'topkWeights: expected shape [3, 2], received [6]', {
      topkWeights: tf.zeros([6]),
    });
    expectRejected('ERR_DTYPE', 'topkWeights: expected float32, received int32', {
      topkWeights: tf.zeros([3, 2], 'int32'),
    });
    expectRejected('ERR_DTYPE', 'topkWeights: expected storage float32, received bfloat16', {
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
      expectRejected('ERR_RANGE', `sortedTokenIds: ${expected}`, {
        sortedTokenIds: tf.tensor1d(ids, 'int32'),
      });
    });

    test.each([
      [[0, 0, 0, 1, 1, 2], 2, 5],
      [[-1, 0, 0, 1, 1, 1], -1, 0],
      [[0, 1, 0, 1, 1, 1], 0, 2],
    ])('rejects expertIds %j', (ids, received, at) => {
      const expected = `expected expert ids >= 0 and < 2, ascending, received ${received} at ${at}`;
      expectRejected('ERR_RANGE', `expertIds: ${expected}`, { expertIds: tf.tensor1d(ids, 'int32') });
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
