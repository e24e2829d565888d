import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { storageOf } from '../storage/storage_backend.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor, tensorOf } from '../testing/tensors.ts';
import { rmsNorm } from './rms_norm.ts';
import { expectSameAsCpu } from '../testing/expect_same_as_cpu.ts';

function reference(x: ArrayLike<number>, weight: ArrayLike<number>, epsilon: number, offset = 0): number[] {
  const n = weight.length;
  return Array.from({ length: x.length / n }, (_, row) => {
    const values = Array.from({ length: n }, (_unused, i) => x[row * n + i]);
    const meanSquare = values.reduce((sum, value) => sum + value ** 2, 0) / n;
    return values.map((value, i) => (value / Math.sqrt(meanSquare + epsilon)) * (weight[i] + offset));
  }).flat();
}

const weightStorages = ELEMENT_STORAGE_TYPES.flatMap((storage): [ElementStorage, ElementStorage][] =>
  storage === 'float32'
    ? [[storage, storage]]
    : [
        [storage, storage],
        [storage, 'float32'],
      ],
);

describeOnBackends('rmsNorm', () => {
  test.each(weightStorages)('agrees with float64 in %s with %s weights', (storage, weightStorage) => {
    const random = new Random(1);
    const x = randomTensor(random, [3, 5, 37], storage, 4);
    const weight = randomTensor(random, [37], weightStorage);
    const expected = reference(x.values, weight.values, 1e-5);
    expectMatches(rmsNorm(x.tensor, weight.tensor, { epsilon: 1e-5 }), expected, [3, 5, 37], storage);
  });

  test.each(ELEMENT_STORAGE_TYPES)('adds the residual in %s and norms the rounded sum', (storage) => {
    const random = new Random(2);
    const x = randomTensor(random, [4, 64], storage, 4);
    const residual = randomTensor(random, [4, 64], storage, 100);
    const weight = randomTensor(random, [64], storage);
    const epsilon = 1e-6;
    const [normed, sum] = rmsNorm(x.tensor, weight.tensor, { epsilon, residual: residual.tensor });
    const exact = Float32Array.from(x.values, (value, i) => value + residual.values[i]);
    const rounded = tensorOf(exact, [4, 64], storage).values;
    expect([...sum.dataSync()]).toEqual([...rounded]);
    expect([sum.shape, storageOf(sum)]).toEqual([[4, 64], storage]);
    expectMatches(normed, reference(rounded, weight.values, epsilon), [4, 64], storage);
    expect([...x.tensor.dataSync()]).toEqual([...x.values]);
    expect([...residual.tensor.dataSync()]).toEqual([...residual.values]);
  });

  test('the norm is that of the rounded sum, not of the exact one', () => {
    // 256 + 1.5 is 258 in bfloat16. The norm of the second element is 0.12060546875 if it is taken of 257.5.
    const x = tensorOf(Float32Array.of(1.5, 22), [2], 'bfloat16').tensor;
    const residual = tensorOf(Float32Array.of(256, 0), [2], 'bfloat16').tensor;
    const [normed, sum] = rmsNorm(x, tf.ones([2]), { epsilon: 1e-6, residual });
    expect([...sum.dataSync()]).toEqual([258, 22]);
    expect(normed.dataSync()[1]).toBe(0.1201171875);
  });

  test.each(ELEMENT_STORAGE_TYPES)("adds Gemma's unit offset to the weights in %s", (storage) => {
    const random = new Random(3);
    const x = randomTensor(random, [4, 24], storage);
    const weight = randomTensor(random, [24], storage, 0.1);
    const residual = randomTensor(random, [4, 24], storage);
    const options = { epsilon: 1e-6, addUnitOffset: true };
    const expected = reference(x.values, weight.values, 1e-6, 1);
    expectMatches(rmsNorm(x.tensor, weight.tensor, options), expected, [4, 24], storage);
    const [normed, sum] = rmsNorm(x.tensor, weight.tensor, { ...options, residual: residual.tensor });
    expectMatches(normed, reference(sum.dataSync(), weight.values, 1e-6, 1), [4, 24], storage);
  });

  test('sums squares that no half precision holds', () => {
    const x = tensorOf(new Float32Array(4096).fill(300), [1, 4096], 'float16').tensor; // 300² = 90000 > 65504
    expect(rmsNorm(x, tf.ones([4096]), { epsilon: 1e-6 }).dataSync()[4095]).toBe(1);
  });

  test('epsilon is added to the mean square', () => {
    const x = tf.tensor1d([3, -3]);
    expectMatches(rmsNorm(x, tf.ones([2]), { epsilon: 7 }), [0.75, -0.75], [2]);
    const [normed] = rmsNorm(x, tf.ones([2]), { epsilon: 28, residual: x });
    expectMatches(normed, [0.75, -0.75], [2]);
  });

  test('a row of zeros stays zeros', () => {
    expect([...rmsNorm(tf.zeros([1, 2]), tf.ones([2]), { epsilon: 1e-6 }).dataSync()]).toEqual([0, 0]);
  });

  test('takes one row of rank 1, no rows, and rows of nothing', () => {
    expectMatches(rmsNorm(tf.tensor1d([3, -3]), tf.ones([2]), { epsilon: 1e-12 }), [1, -1], [2]);
    expect(rmsNorm(tf.zeros([0, 8]), tf.ones([8]), { epsilon: 1e-6 }).shape).toEqual([0, 8]);
    expect(rmsNorm(tf.zeros([2, 0]), tf.ones([0]), { epsilon: 1e-6 }).shape).toEqual([2, 0]);
    const [normed, sum] = rmsNorm(tf.zeros([0, 8]), tf.ones([8]), { epsilon: 1, residual: tf.zeros([0, 8]) });
    expect([normed.shape, sum.shape]).toEqual([
      [0, 8],
      [0, 8],
    ]);
  });

  test('leaks nothing', () => {
    const [x, weight] = [tf.ones([2, 8]), tf.ones([8])];
    expectNoLeak(() => rmsNorm(x, weight, { epsilon: 1e-6 }));
    expectNoLeak(() => rmsNorm(x, weight, { epsilon: 1e-6, residual: x }));
  });

  test('names argument, expected and received', () => {
    const [x, weight, epsilon] = [tf.ones([2, 8]), tf.ones([8]), 1e-6];
    expectAttentionError(
      () => rmsNorm(tf.scalar(1), weight, { epsilon }),
      'ERR_SHAPE',
      '[rmsNorm] x: expected shape [.., n], received []',
    );
    expectAttentionError(
      () => rmsNorm(tf.ones([2, 8], 'int32'), weight, { epsilon }),
      'ERR_DTYPE',
      '[rmsNorm] x: expected float32, received int32',
    );
    expectAttentionError(
      () => rmsNorm(x, tf.ones([7]), { epsilon }),
      'ERR_SHAPE',
      '[rmsNorm] weight: expected shape [8] to match the rows of x, received [7]',
    );
    expectAttentionError(
      () => rmsNorm(zerosWithStorage([2, 8], 'bfloat16'), zerosWithStorage([8], 'float16'), { epsilon }),
      'ERR_DTYPE',
      '[rmsNorm] weight: expected storage float32 or bfloat16, received float16',
    );
    expectAttentionError(
      () => rmsNorm(x, zerosWithStorage([8], 'float16'), { epsilon }),
      'ERR_DTYPE',
      '[rmsNorm] weight: expected storage float32, received float16',
    );
    expectAttentionError(
      () => rmsNorm(x, weight, { epsilon, residual: tf.ones([8]) }),
      'ERR_SHAPE',
      '[rmsNorm] residual: expected shape [2, 8] to match x, received [8]',
    );
    expectAttentionError(
      () => rmsNorm(x, weight, { epsilon, residual: zerosWithStorage([2, 8], 'bfloat16') }),
      'ERR_DTYPE',
      '[rmsNorm] residual: expected storage float32 to match x, received bfloat16',
    );
    expectAttentionError(
      () => rmsNorm(x, weight, undefined as unknown as { epsilon: number }),
      'ERR_DTYPE',
      '[rmsNorm] options: expected an object, received undefined',
    );
    for (const [value, text] of [
      [0, '0'],
      [-1e-6, '-0.000001'],
      [Number.NaN, 'NaN'],
      [undefined, 'undefined'],
    ] as const) {
      expectAttentionError(
        () => rmsNorm(x, weight, { epsilon: value as number }),
        'ERR_RANGE',
        `[rmsNorm] epsilon: expected a finite number > 0, received ${text}`,
      );
    }
    expectAttentionError(
      () => rmsNorm(x, weight, { epsilon, addUnitOffset: 1 as unknown as boolean }),
      'ERR_RANGE',
      '[rmsNorm] addUnitOffset: expected one of true, false, received 1',
    );
  });
});

describeOnDevices('rmsNorm on a device', () => {
  // One warp to eight of them and more, with 8 elements an access and with one.
  const widths = [8, 512, 1024, 5128, 33, 65, 1001];
  test.each(ELEMENT_STORAGE_TYPES)('rows of any width agree with cpu in %s', async (storage) => {
    await expectSameAsCpu(() =>
      widths.flatMap((width) => {
        const random = new Random(width);
        const [x, residual] = [0, 1].map(() => randomTensor(random, [2, width], storage).tensor);
        const weight = randomTensor(random, [width]).tensor;
        return [
          rmsNorm(x, weight, { epsilon: 1e-5 }),
          ...rmsNorm(x, weight, { epsilon: 1e-5, residual, addUnitOffset: true }),
        ];
      }),
    );
  });
});
