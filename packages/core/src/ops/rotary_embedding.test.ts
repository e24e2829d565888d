import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { checkBounds, describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { rotaryEmbedding } from './rotary_embedding.ts';
import { expectSameAsCpu } from '../testing/expect_same_as_cpu.ts';

const MAX_POSITION = 50;

/** Angles of each position, as RoFormer defines them. */
function angles(rotaryDim: number): number[][] {
  return Array.from({ length: MAX_POSITION }, (_, position) =>
    Array.from({ length: rotaryDim / 2 }, (_unused, pair) => position / 10000 ** ((2 * pair) / rotaryDim)),
  );
}

function positionsOf(...values: number[]): tf.Tensor {
  return tf.tensor1d(values, 'int32');
}

function tables(rotaryDim: number): { cos: tf.Tensor; sin: tf.Tensor } {
  const shape: [number, number] = [MAX_POSITION, rotaryDim / 2];
  const flat = angles(rotaryDim).flat();
  return {
    cos: tf.tensor2d(Float32Array.from(flat, Math.cos), shape),
    sin: tf.tensor2d(Float32Array.from(flat, Math.sin), shape),
  };
}

/** Each pair of a head as a complex number, multiplied by exp(i · angle). */
function reference(
  values: ArrayLike<number>,
  [, heads, headSize]: number[],
  positions: number[],
  interleaved: boolean,
  rotaryDim: number,
): number[] {
  const result = Array.from(values);
  const table = angles(rotaryDim);
  positions.forEach((position, token) => {
    for (let head = 0; head < heads; head++) {
      table[position].forEach((angle, pair) => {
        const start = (token * heads + head) * headSize;
        const re = start + (interleaved ? 2 * pair : pair);
        const im = start + (interleaved ? 2 * pair + 1 : pair + rotaryDim / 2);
        const radius = Math.hypot(values[re], values[im]);
        const turned = Math.atan2(values[im], values[re]) + angle;
        result[re] = radius * Math.cos(turned);
        result[im] = radius * Math.sin(turned);
      });
    }
  });
  return result;
}

const cases = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
  [false, true].flatMap((interleaved) =>
    [40, 24, 2].map((rotaryDim) => [storage, { interleaved, rotaryDim }] as const),
  ),
);

describeOnBackends('rotaryEmbedding', (backendName) => {
  const positions = [0, 49, 7, 7, 30];

  test.each(cases)('agrees with float64 in %s, %j', (storage, options) => {
    const random = new Random(1);
    const query = randomTensor(random, [5, 6, 40], storage);
    const key = randomTensor(random, [5, 2, 40], storage);
    const { cos, sin } = tables(options.rotaryDim);
    const rotated = rotaryEmbedding(query.tensor, key.tensor, positionsOf(...positions), cos, sin, options);
    [query, key].forEach(({ tensor, values }, i) => {
      const { interleaved, rotaryDim } = options;
      const expected = reference(values, tensor.shape, positions, interleaved, rotaryDim);
      expectMatches(rotated[i], expected, tensor.shape, storage);
      expect([...tensor.dataSync()]).toEqual([...values]); // not in place
    });
  });

  test('rotates halves of the whole head by default', () => {
    const x = randomTensor(new Random(2), [1, 1, 8]);
    const { cos, sin } = tables(8);
    const [query] = rotaryEmbedding(x.tensor, x.tensor, positionsOf(3), cos, sin);
    expectMatches(query, reference(x.values, [1, 1, 8], [3], false, 8), [1, 1, 8]);
  });

  test('copies what is past rotaryDim bit by bit', () => {
    const { tensor, values } = randomTensor(new Random(3), [1, 1, 8], 'bfloat16');
    const { cos, sin } = tables(4);
    const [, key] = rotaryEmbedding(tensor, tensor, positionsOf(9), cos, sin, { rotaryDim: 4 });
    expect([...key.dataSync()].slice(4)).toEqual([...values].slice(4));
  });

  test('scores depend on the distance alone', () => {
    const random = new Random(4);
    const [q, k] = [randomTensor(random, [1, 1, 16]).tensor, randomTensor(random, [1, 1, 16]).tensor];
    const { cos, sin } = tables(16);
    const scores = [0, 11, 40].map((shift) => {
      const [query] = rotaryEmbedding(q, q, positionsOf(shift + 9), cos, sin);
      const [, key] = rotaryEmbedding(k, k, positionsOf(shift + 2), cos, sin);
      return tf.sum(tf.mul(query, key)).dataSync()[0];
    });
    expect(scores[1]).toBeCloseTo(scores[0], 4);
    expect(scores[2]).toBeCloseTo(scores[0], 4);
  });

  test('takes no tokens', () => {
    const { cos, sin } = tables(8);
    const [query, key] = rotaryEmbedding(tf.zeros([0, 4, 8]), tf.zeros([0, 2, 8]), positionsOf(), cos, sin);
    expect([query.shape, key.shape]).toEqual([
      [0, 4, 8],
      [0, 2, 8],
    ]);
  });

  test('leaks nothing', () => {
    const { cos, sin } = tables(8);
    const [x, row] = [tf.ones([1, 2, 8]), positionsOf(3)];
    expectNoLeak(() => rotaryEmbedding(x, x, row, cos, sin));
  });

  test('names argument, expected and received', () => {
    const [query, key, row] = [tf.ones([1, 4, 8]), tf.ones([1, 2, 8]), positionsOf(3)];
    const { cos, sin } = tables(8);
    expectAttentionError(
      () => rotaryEmbedding(tf.ones([4, 8]), key, row, cos, sin),
      'ERR_SHAPE',
      '[rotaryEmbedding] query: expected shape [tokens, heads, headSize], received [4, 8]',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, tf.ones([1, 2, 16]), row, cos, sin),
      'ERR_SHAPE',
      '[rotaryEmbedding] key: expected shape [1, kvHeads, 8] to match query, received [1, 2, 16]',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, key, positionsOf(3, 4), cos, sin),
      'ERR_SHAPE',
      '[rotaryEmbedding] positions: expected shape [1]: one position per token, received [2]',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, key, row, tf.ones([50, 3]), sin),
      'ERR_SHAPE',
      '[rotaryEmbedding] cos: expected shape [maxPosition, 4]: half of rotaryDim, received [50, 3]',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, key, row, cos, tf.ones([49, 4])),
      'ERR_SHAPE',
      '[rotaryEmbedding] sin: expected shape [50, 4] to match cos, received [49, 4]',
    );
    expectAttentionError(
      () => rotaryEmbedding(tf.ones([1, 4, 8], 'int32'), key, row, cos, sin),
      'ERR_DTYPE',
      '[rotaryEmbedding] query: expected float32, received int32',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, zerosWithStorage([1, 2, 8], 'float16'), row, cos, sin),
      'ERR_DTYPE',
      '[rotaryEmbedding] key: expected storage float32 to match query, received float16',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, key, tf.tensor1d([3]), cos, sin),
      'ERR_DTYPE',
      '[rotaryEmbedding] positions: expected int32, received float32',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, key, row, zerosWithStorage([50, 4], 'bfloat16'), sin),
      'ERR_DTYPE',
      '[rotaryEmbedding] cos: expected storage float32, received bfloat16',
    );
    expectAttentionError(
      () => rotaryEmbedding(query, key, row, cos, zerosWithStorage([50, 4], 'bfloat16')),
      'ERR_DTYPE',
      '[rotaryEmbedding] sin: expected storage float32, received bfloat16',
    );
    for (const rotaryDim of [0, 3, 10, 2.5]) {
      expectAttentionError(
        () => rotaryEmbedding(query, key, row, cos, sin, { rotaryDim }),
        'ERR_RANGE',
        `[rotaryEmbedding] rotaryDim: expected an even number >= 2 and <= 8, the head size, received ${rotaryDim}`,
      );
    }
    expectAttentionError(
      () => rotaryEmbedding(query, key, row, cos, sin, { interleaved: 'yes' as unknown as boolean }),
      'ERR_RANGE',
      '[rotaryEmbedding] interleaved: expected one of true, false, received "yes"',
    );
    expectAttentionError(
      () => rotaryEmbedding(undefined as unknown as tf.Tensor, key, row, cos, sin),
      'ERR_DTYPE',
      '[rotaryEmbedding] query: expected a Tensor, received undefined',
    );
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    test.each([50, -1])('rejects position %p, which is not in the tables', (position) => {
      const x = tf.ones([2, 1, 8]);
      const { cos, sin } = tables(8);
      expectAttentionError(
        () => rotaryEmbedding(x, x, positionsOf(0, position), cos, sin),
        'ERR_RANGE',
        `[rotaryEmbedding] positions[1]: expected a row >= 0 and < 50 of cos and sin, received ${position}`,
      );
    });
  });
});

const HEAD_SIZE = 64;

// Rotated in accesses of 8 elements where half of rotaryDim is a multiple of 8, else one by one.
const deviceCases = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
  [true, false].flatMap((interleaved) =>
    [64, 48, 40].map((rotaryDim) => [storage, { interleaved, rotaryDim }] as const),
  ),
);

describeOnDevices('rotaryEmbedding on a device', () => {
  test.each(deviceCases)('wide heads agree with cpu in %s, %j', async (storage, options) => {
    await expectSameAsCpu(() => {
      const random = new Random(1);
      const query = randomTensor(random, [3, 37, HEAD_SIZE], storage).tensor;
      const key = randomTensor(random, [3, 5, HEAD_SIZE], storage).tensor;
      const cos = randomTensor(random, [20, options.rotaryDim / 2]).tensor;
      const sin = randomTensor(random, [20, options.rotaryDim / 2]).tensor;
      return rotaryEmbedding(query, key, tf.tensor1d([19, 0, 7], 'int32'), cos, sin, options);
    });
  });

  test.each([8, 16])('a position outside of the tables gives NaN in its token alone, rotaryDim %d', (dim) => {
    const x = tf.ones([4, 1, 24]);
    const table = tf.ones([6, dim / 2]);
    const positions = tf.tensor1d([5, 6, -1, 0], 'int32');
    for (const rotated of rotaryEmbedding(x, x, positions, table, table, { rotaryDim: dim })) {
      const outside = Array.from({ length: 24 }, (_, d) => d < dim);
      const none = outside.map(() => false);
      expect([...rotated.dataSync()].map(Number.isNaN)).toEqual([...none, ...outside, ...outside, ...none]);
    }
  });
});
