import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { STORAGES, expectAsOnCpu, normal } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

/** Scales inputs so that sums of `depth` products have variance near 1. */
const scaleOf = (depth: number): number => 1 / Math.sqrt(depth);

const transposes = [
  [false, false],
  [false, true],
  [true, false],
  [true, true],
];

const stored = (shape: number[], isTransposed: boolean): number[] =>
  isTransposed ? shape.toReversed() : shape;

const product = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.matMul(a, b);

/** Compares matrix products with those of `cpu`. */
describeOnDevices('matrix products', () => {
  // Few and many rows, full and partial tiles, aligned and unaligned depths.
  const sizes = [
    [1, 64, 40],
    [3, 37, 70],
    [8, 100, 33],
    [9, 16, 5],
    [64, 32, 64],
    [70, 50, 65],
    [130, 136, 8],
  ];
  describe.each(STORAGES)('%s', (storage) => {
    test.each(sizes)('%d rows, depth %d, %d columns, in all layouts', async (rows, depth, columns) => {
      for (const [transposeA, transposeB] of transposes) {
        const a = normal(stored([rows, depth], transposeA), storage);
        const b = normal(stored([depth, columns], transposeB), storage, scaleOf(depth));
        await expectAsOnCpu([a, b], (x, y) => tf.matMul(x, y, transposeA, transposeB), { storage });
      }
    });

    test.each(['relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu', 'linear'] as const)(
      'bias and %s',
      async (activation) => {
        for (const rows of [2, 12]) {
          const inputs = [
            normal([rows, 24], storage, 2),
            normal([20, 24], storage, 0.5),
            normal([20], storage),
            normal([20], storage),
          ];
          const fusedProduct = (a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor, alpha: tf.Tensor): tf.Tensor =>
            tf.fused.matMul({
              a,
              b,
              transposeB: true,
              bias,
              activation,
              preluActivationWeights: activation === 'prelu' ? alpha : undefined,
              leakyreluAlpha: 0.3,
            });
          // prelu is applied after the sum was rounded.
          await expectAsOnCpu(inputs, fusedProduct, {
            storage,
            bound: storage === 'bfloat16' ? 2e-2 : undefined,
          });
        }
      },
    );
  });

  test('batches, broadcast against each other', async () => {
    const shapes = [
      [
        [3, 5, 7],
        [3, 7, 4],
      ],
      [
        [3, 5, 7],
        [1, 7, 4],
      ],
      [
        [1, 20, 7],
        [3, 7, 4],
      ],
      [
        [2, 3, 9, 7],
        [2, 3, 7, 70],
      ],
      [
        [2, 3, 2, 7],
        [7, 4],
      ],
      [
        [2, 3, 5, 7],
        [1, 1, 7, 4],
      ],
    ];
    for (const [a, b] of shapes) {
      await expectAsOnCpu([normal(a), normal(b)], product);
    }
  });

  test('a bias per element', async () => {
    await expectAsOnCpu([normal([10, 12]), normal([12, 6]), normal([10, 6])], (a, b, bias) =>
      tf.fused.matMul({ a, b, bias, activation: 'relu' }),
    );
  });

  test('operands of several storage types are promoted', async () => {
    const float32 = normal([4, 16]);
    const float16 = normal([16, 8], 'float16');
    await expectAsOnCpu([float32, float16], product);
    await expectAsOnCpu([normal([4, 16], 'bfloat16'), float16], product);
  });

  test('float32 is not rounded to TF32', async () => {
    await expectAsOnCpu([normal([33, 512]), normal([512, 65], 'float32', scaleOf(512))], product, {
      bound: 3e-6,
    });
  });

  test('mismatched shapes throw', () => {
    const x = tf.ones([2, 3]);
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, true],
    ]) {
      expect(() => tf.matMul(x, x, transposeA, transposeB)).toThrow('inner shapes');
    }
  });

  test('empty sums and empty outputs', async () => {
    await expectAsOnCpu([normal([3, 0]), normal([0, 4])], product);
    await expectAsOnCpu([normal([0, 3]), normal([3, 4])], product);
  });
});
