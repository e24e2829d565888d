import { describe, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { STORAGES, expectAsOnCpu, integers, normal } from '../testing/expect_as_on_cpu.ts';
import type { Input } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

type Reduction = (x: tf.Tensor, axis?: number | number[], keepDims?: boolean) => tf.Tensor;

const reductions: Record<string, Reduction> = {
  sum: (x, axis, keepDims) => tf.sum(x, axis, keepDims),
  mean: (x, axis, keepDims) => tf.mean(x, axis, keepDims),
  max: (x, axis, keepDims) => tf.max(x, axis, keepDims),
  min: (x, axis, keepDims) => tf.min(x, axis, keepDims),
};

/** Shapes and axes: short and long slices, inner, outer and mixed axes, many outputs and one. */
const slices: [number[], number | number[] | undefined][] = [
  [[7], 0],
  [[3000], undefined],
  [[20, 33], 1],
  [[20, 33], 0],
  [[3, 500], -1],
  [[500, 3], 0],
  [[70, 4200], 0],
  [
    [4, 5, 6, 7],
    [1, 3],
  ],
  [
    [4, 5, 6, 7],
    [0, 2],
  ],
  [[4, 1, 6], [1]],
  [
    [4, 5, 6],
    [-1, 0],
  ],
  [[], undefined],
];

/** Compares reductions with those of `cpu`. */
describeOnDevices('reductions', () => {
  describe.each(STORAGES)('%s', (storage) => {
    test.each(Object.entries(reductions))('%s', async (name, reduction) => {
      for (const [shape, axis] of slices) {
        const size = tf.util.sizeFromShape(shape);
        const x = normal(shape, storage, name === 'sum' ? 1 / Math.sqrt(size) : 1);
        await expectAsOnCpu([x], (t) => [reduction(t, axis), reduction(t, axis, true)], { storage });
      }
    });

    test('softmax', async () => {
      for (const shape of [[1], [5, 1], [10, 33], [2, 3, 1000]]) {
        await expectAsOnCpu([normal(shape, storage, 5)], (x) => tf.softmax(x), { storage });
      }
    });

    test('cumulative sums and products', async () => {
      for (const shape of [[1], [9], [3, 700], [6, 5, 4]]) {
        for (const [exclusive, reverse] of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ]) {
          const axis = shape.length > 2 ? 1 : shape.length - 1;
          const x = normal(shape, storage, 0.05);
          await expectAsOnCpu([x], (t) => tf.cumsum(t, axis, exclusive, reverse), { storage });
          const near1 = { ...x, values: Float32Array.from(x.values, (value) => 1 + value / 10) };
          await expectAsOnCpu([near1], (t) => tf.cumprod(t, axis, exclusive, reverse), { storage });
        }
      }
    });

    test('argMax and argMin', async () => {
      for (const [shape, axis] of [
        [[9], 0],
        [[4, 3000], 1],
        [[30, 8], 0],
        [[3, 4, 5], 1],
      ] as const) {
        await expectAsOnCpu([normal([...shape], storage)], (x) => [tf.argMax(x, axis), tf.argMin(x, axis)]);
      }
    });

    test('the k largest', async () => {
      for (const [shape, k] of [
        [[9], 9],
        [[4, 3000], 40],
        [[2, 3, 70], 1],
      ] as const) {
        const topk = (x: tf.Tensor): tf.Tensor[] => Object.values(tf.topk(x, k));
        await expectAsOnCpu([normal([...shape], storage)], topk, { storage });
      }
    });
  });

  test('products', async () => {
    const x = normal([20, 33], 'float32', 0.1);
    x.values = Float32Array.from(x.values, (value) => 1 + value);
    await expectAsOnCpu([x], (t) => [tf.prod(t, 1), tf.prod(t, 0)]);
  });

  test('integers', async () => {
    for (const reduction of Object.values(reductions)) {
      await expectAsOnCpu([integers([30, 200], -9, 9)], (x) => [
        reduction(x, 1),
        reduction(x, 0),
        reduction(x),
      ]);
    }
    await expectAsOnCpu([integers([3, 500], -9, 9)], (x) => [
      tf.cumsum(x, 1),
      tf.argMax(x, 1),
      tf.argMin(x, 1),
    ]);
    await expectAsOnCpu([integers([3, 500], -9, 9)], (x) => Object.values(tf.topk(x, 20)));
  });

  test('booleans', async () => {
    for (const [low, high] of [
      [0, 1],
      [0, 0],
      [1, 1],
    ]) {
      const x = integers([5, 300], low, high, 'bool');
      await expectAsOnCpu([x], (t) => [
        tf.all(t, 1),
        tf.any(t, 1),
        tf.all(t),
        tf.any(t, 0),
        tf.sum(t, 1),
        tf.mean(t, 1),
      ]);
    }
  });

  test('NaN and infinity', async () => {
    const rows = [
      [1, NaN, 3],
      [NaN, 5, 2],
      [-Infinity, -Infinity, -Infinity],
      [Infinity, 1, -Infinity],
      [2, 2, NaN],
      [-0, 0, -0],
    ];
    const x: Input = { values: rows.flat(), shape: [6, 3] };
    await expectAsOnCpu([x], (t) => Object.values(reductions).map((reduction) => reduction(t, 1)));
    await expectAsOnCpu([x], (t) => [tf.argMax(t, 1), tf.argMin(t, 1), tf.softmax(t)]);
  });

  test('the first of equal elements wins', async () => {
    const ties = integers([20, 400], 0, 3);
    const x: Input = { ...ties, dtype: 'float32' };
    await expectAsOnCpu([x], (t) => [tf.argMax(t, 1), tf.argMin(t, 1), ...Object.values(tf.topk(t, 30))]);
  });
});
