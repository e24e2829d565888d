import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { STORAGES, expectAsOnCpu, integers, normal } from '../testing/expect_as_on_cpu.ts';
import type { Input } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

/** Indices into a tensor [6, 8, 10], the slices that they select, and whether some are equal. */
const cases: { title: string; indices: number[]; shape: number[]; updates: number[] }[] = [
  { title: 'rows', indices: [5, 0, 2], shape: [3, 1], updates: [3, 8, 10] },
  { title: 'rows of rows', indices: [5, 7, 0, 0, 3, 3, 1, 2], shape: [2, 2, 2], updates: [2, 2, 10] },
  { title: 'elements', indices: [5, 7, 9, 0, 0, 0], shape: [2, 3], updates: [2] },
  { title: 'places named twice', indices: [4, 1, 4, 4, 1], shape: [5, 1], updates: [5, 8, 10] },
];

const add = (at: tf.Tensor, x: tf.Tensor): tf.Tensor => tf.scatterND(at, x, [6, 8, 10]);
const put = (to: tf.Tensor, at: tf.Tensor, x: tf.Tensor): tf.Tensor => tf.tensorScatterUpdate(to, at, x);

/** Indices -1, 1, 7 and 2^30 + 1, computed on the device so that their values are not known in advance. */
const computed = () => tf.add(tf.tensor2d([-2, 0, 6, 2 ** 30], [4, 1], 'int32'), tf.scalar(1, 'int32'));

/** Compares scatter with that of `cpu`. */
describeOnDevices('slices to places', () => {
  describe.each(cases)('$title', ({ indices, shape, updates }) => {
    const places: Input = { values: indices, shape, dtype: 'int32' };
    test.each(STORAGES)('%s', async (storage) => {
      await expectAsOnCpu([places, normal(updates, storage)], add, { storage });
      await expectAsOnCpu([normal([6, 8, 10], storage), places, normal(updates, storage)], put, {
        storage,
        bound: 0,
      });
    });

    test('int32 and bool', async () => {
      await expectAsOnCpu([places, integers(updates, -9, 9)], add);
      await expectAsOnCpu([integers([6, 8, 10], -9, 9), places, integers(updates, -9, 9)], put);
      const bools = [integers([6, 8, 10], 0, 1, 'bool'), places, integers(updates, 0, 1, 'bool')];
      await expectAsOnCpu(bools, put);
    });
  });

  test('many updates of few slices', async () => {
    const places = integers([5000, 1], 0, 6);
    await expectAsOnCpu([places, normal([5000, 4])], (at, x) => tf.scatterND(at, x, [7, 4]), {
      bound: 1e-4,
    });
    await expectAsOnCpu([normal([7, 4]), places, normal([5000, 4])], put);
  });

  test('indices out of range that the device computed are ignored', () => {
    const updates = tf.tensor2d([1, 2, 3, 4, 5, 6, 7, 8], [4, 2]);
    const expected = new Float32Array(14);
    expected.set([3, 4], 2);
    expect(tf.scatterND(computed(), updates, [7, 2]).dataSync()).toEqual(expected);
    expect(tf.tensorScatterUpdate(tf.zeros([7, 2]), computed(), updates).dataSync()).toEqual(expected);
  });

  test('an index out of range throws if its value is known', () => {
    const indices = tf.tensor2d([0, 7], [2, 1], 'int32');
    expect(() => tf.scatterND(indices, tf.ones([2, 4]), [7, 4])).toThrow(
      'Invalid indices: 7 does not index into 7,4',
    );
  });
});
