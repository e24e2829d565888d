import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { ELEMENT_STORAGE_TYPES, STORAGE_FORMATS } from '../storage/storage_types.ts';
import { blockTypesOf, describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAgrees, expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor, tensorOf } from '../testing/tensors.ts';
import { linear } from './linear.ts';

interface Sizes {
  rows: number;
  inputs: number;
  outputs: number;
}

/** One sum at a time, in float64. */
function reference(
  { rows, inputs, outputs }: Sizes,
  x: ArrayLike<number>,
  weight: ArrayLike<number>,
  bias?: ArrayLike<number>,
): number[] {
  const result: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = bias?.[output] ?? 0;
      for (let i = 0; i < inputs; i++) sum += x[row * inputs + i] * weight[output * inputs + i];
      result.push(sum);
    }
  }
  return result;
}

describeOnBackends('linear', (backendName) => {
  test.each(ELEMENT_STORAGE_TYPES)('agrees with float64 in %s, with and without a bias', (storage) => {
    const random = new Random(1);
    for (const rows of [1, 2, 5, 64, 67, 129]) {
      const sizes = { rows, inputs: 40, outputs: 27 };
      const x = randomTensor(random, [rows, sizes.inputs], storage);
      const weight = randomTensor(random, [sizes.outputs, sizes.inputs], storage);
      const bias = randomTensor(random, [sizes.outputs], storage, 3);
      const plain = reference(sizes, x.values, weight.values);
      expectMatches(linear(x.tensor, weight.tensor), plain, [rows, sizes.outputs], storage);
      const biased = reference(sizes, x.values, weight.values, bias.values);
      expectMatches(linear(x.tensor, weight.tensor, bias.tensor), biased, [rows, sizes.outputs], storage);
    }
  });

  for (const blocks of blockTypesOf(backendName, 'linear')) {
    test.each(ELEMENT_STORAGE_TYPES)(`takes a weight in ${blocks} with x in %s`, (storage) => {
      const random = new Random(5);
      const { blockLength } = STORAGE_FORMATS[blocks];
      // Rows at the borders of tiles; inputs of whole and broken runs of blocks, fewer and more than warps.
      for (const [rowCounts, numBlocks] of [
        [[1, 2, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65], 3],
        [[1, 16], 1],
        [[1, 3], 75],
      ] as const) {
        const sizes = { inputs: numBlocks * blockLength, outputs: 27 };
        const weight = randomTensor(random, [sizes.outputs, sizes.inputs], blocks);
        const bias = randomTensor(random, [sizes.outputs], storage, 3);
        for (const rows of rowCounts) {
          const x = randomTensor(random, [rows, sizes.inputs], storage);
          const expected = reference({ ...sizes, rows }, x.values, weight.values, bias.values);
          const shape = [rows, sizes.outputs];
          expectMatches(linear(x.tensor, weight.tensor, bias.tensor), expected, shape, storage);
        }
      }
    });
  }

  for (const blocks of blockTypesOf(backendName, 'linear')) {
    test(`multiplies by exactly the elements of ${blocks}, NaN and zero blocks included`, () => {
      const { blockLength } = STORAGE_FORMATS[blocks];
      const values = new Random(6).normal(4 * blockLength);
      values[blockLength] = Number.NaN;
      values.fill(0, 2 * blockLength, 3 * blockLength);
      const weight = tensorOf(values, [4, blockLength], blocks);
      const identity = tf.eye(blockLength);
      const columns = tf.transpose(linear(identity, weight.tensor)).dataSync();
      const exact = [...weight.values].map((value) => value + 0); // a sum has no -0
      expect([...columns]).toEqual(exact);
      expect([...columns].slice(blockLength, 2 * blockLength).every(Number.isNaN)).toBe(true);
    });
  }

  test.each([1, 2, 3, 4, 5, 8, 31])('%d outputs and as many inputs', (size) => {
    const random = new Random(size);
    const x = randomTensor(random, [3, size]);
    const weight = randomTensor(random, [size, size]);
    const expected = reference({ rows: 3, inputs: size, outputs: size }, x.values, weight.values);
    expectMatches(linear(x.tensor, weight.tensor), expected, [3, size]);
  });

  test('leading dimensions are rows', () => {
    const random = new Random(2);
    const x = randomTensor(random, [2, 3, 8]);
    const weight = randomTensor(random, [4, 8]);
    const expected = reference({ rows: 6, inputs: 8, outputs: 4 }, x.values, weight.values);
    expectMatches(linear(x.tensor, weight.tensor), expected, [2, 3, 4]);
    const vector = tf.tensor1d(x.values.slice(0, 8));
    expectMatches(linear(vector, weight.tensor), expected.slice(0, 4), [4]);
  });

  test('a row alone agrees with the same row in a batch', () => {
    const random = new Random(3);
    const x = randomTensor(random, [70, 48]).tensor as tf.Tensor2D;
    const weight = randomTensor(random, [30, 48]).tensor;
    const batched = linear(x, weight);
    for (const row of [0, 1, 63, 64, 69]) {
      const alone = linear(tf.slice(x, [row, 0], [1, 48]), weight);
      const same = tf.slice(batched as tf.Tensor2D, [row, 0], [1, 30]);
      expectAgrees(backendName, alone.dataSync(), same.dataSync());
    }
  });

  test('no rows, no outputs, no inputs', () => {
    expect(linear(tf.zeros([0, 8]), tf.zeros([4, 8])).shape).toEqual([0, 4]);
    expect(linear(tf.zeros([3, 8]), tf.zeros([0, 8])).shape).toEqual([3, 0]);
    expect([...linear(tf.zeros([1, 0]), tf.zeros([2, 0]), tf.tensor1d([5, 6])).dataSync()]).toEqual([5, 6]);
  });

  test('leaks nothing', () => {
    const [x, weight, bias] = [tf.ones([2, 8]), tf.ones<tf.Rank.R2>([4, 8]), tf.ones<tf.Rank.R1>([4])];
    expectNoLeak(() => linear(x, weight, bias));
  });

  test('names argument, expected and received', () => {
    const [x, weight] = [tf.zeros([2, 8]), tf.zeros<tf.Rank.R2>([4, 8])];
    expectAttentionError(
      () => linear(tf.zeros([2, 7]), weight),
      'ERR_SHAPE',
      '[linear] x: expected shape [.., 8] to match the inputs of weight, received [2, 7]',
    );
    expectAttentionError(
      () => linear(tf.scalar(1), weight),
      'ERR_SHAPE',
      '[linear] x: expected shape [.., 8] to match the inputs of weight, received []',
    );
    expectAttentionError(
      () => linear(x, tf.zeros([8])),
      'ERR_SHAPE',
      '[linear] weight: expected shape [outputs, inputs], received [8]',
    );
    expectAttentionError(
      () => linear(x, weight, tf.zeros([8])),
      'ERR_SHAPE',
      '[linear] bias: expected shape [4]: one element per output, received [8]',
    );
    expectAttentionError(
      () => linear(tf.zeros([2, 8], 'int32'), weight),
      'ERR_DTYPE',
      '[linear] x: expected float32, received int32',
    );
    const half = randomTensor(new Random(4), [4, 8], 'float16').tensor;
    expectAttentionError(
      () => linear(x, half),
      'ERR_DTYPE',
      '[linear] weight: expected storage float32 to match x, received float16',
    );
  });
});
