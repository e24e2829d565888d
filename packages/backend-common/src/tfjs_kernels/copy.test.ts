import { encodeStorageBytes, tensorFromStorage } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { STORAGES, expectAsOnCpu, integers, normal } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

type Rearrangement = (x: tf.Tensor) => tf.Tensor | tf.Tensor[];

/** Operations on a tensor [6, 8, 10]. */
const rearrangements: Record<string, Rearrangement> = {
  'a slice': (x) => tf.slice(x, [1, 2, 3], [4, -1, 5]),
  'a slice of rows': (x) => tf.slice(x, 2, 3),
  'an empty slice': (x) => tf.slice(x, [0, 3, 0], [6, 0, 10]),
  'a strided slice': (x) => tf.stridedSlice(x, [0, 7, 1], [6, 0, 9], [2, -3, 4]),
  'a slice that drops and adds axes': (x) =>
    tf.stridedSlice(x, [1, 0, 2], [2, 8, 9], [1, 1, 1], 0, 0, 0, 0, 1),
  'one that runs backwards': (x) => tf.reverse(x, [0, 2]),
  transposes: (x) => [
    tf.transpose(x),
    tf.transpose(x, [1, 0, 2]),
    tf.transpose(x, [0, 2, 1]),
    tf.transpose(x, [0, 1, 2]),
  ],
  'axes of length 1': (x) => tf.transpose(tf.reshape(x, [6, 1, 8, 1, 2, 5]), [5, 1, 4, 2, 3, 0]),
  tiles: (x) => [tf.tile(x, [1, 3, 1]), tf.tile(x, [2, 1, 2])],
  splits: (x) => [...tf.split(x, [1, 3, 4], 1), ...tf.split(x, 5, 2), ...tf.split(x, 2)],
  'its rows apart': (x) => [...tf.unstack(x, 0), ...tf.unstack(x, -1)],
  'rows joined': (x) => tf.stack([tf.slice(x, 0, 2), tf.slice(x, 2, 2), tf.slice(x, 4, 2)], 1),
  'copies joined': (x) => [
    tf.concat([x, x], 0),
    tf.concat([x, x, x], 1),
    tf.concat([x, tf.slice(x, 0, 6)], -1),
  ],
  'an empty one joined': (x) => tf.concat([tf.slice(x, 0, 0), x], 0),
  'padded tensors': (x) => [
    tf.pad(
      x,
      [
        [1, 2],
        [0, 0],
        [3, 0],
      ],
      1,
    ),
    tf.pad(x, [
      [0, 0],
      [0, 1],
      [0, 0],
    ]),
    tf.pad(tf.slice(x, 0, 0), [
      [2, 0],
      [0, 0],
      [0, 0],
    ]),
  ],
  'rows by index': (x) => tf.gather(x, tf.tensor1d([5, 0, 0, 3], 'int32')),
  'elements by index': (x) =>
    tf.gather(
      x,
      tf.tensor2d(
        [
          [9, 0],
          [1, 1],
        ],
        [2, 2],
        'int32',
      ),
      2,
    ),
  'rows by index in each batch': (x) =>
    tf.gather(
      x,
      tf.tensor2d(
        Array.from({ length: 18 }, (_, i) => (i * 5) % 8),
        [6, 3],
        'int32',
      ),
      1,
      1,
    ),
  'slices by several coordinates': (x) => [
    tf.gatherND(x, tf.tensor2d([5, 0, 3], [3, 1], 'int32')),
    tf.gatherND(x, tf.tensor3d([5, 7, 0, 0, 2, 1, 3, 3], [2, 2, 2], 'int32')),
    tf.gatherND(x, tf.tensor2d([5, 7, 9, 0, 0, 0, 1, 2, 3], [3, 3], 'int32')),
  ],
};

/** Compares copies with those of `cpu`. */
describeOnDevices('copies', () => {
  describe.each(Object.entries(rearrangements))('%s', (_, rearrange) => {
    test.each(STORAGES)('%s', async (storage) => {
      await expectAsOnCpu([normal([6, 8, 10], storage)], rearrange, { storage, bound: 0 });
    });
    test('int32', () => expectAsOnCpu([integers([6, 8, 10], -(2 ** 31), 2 ** 31 - 1)], rearrange));
    test('bool', () => expectAsOnCpu([integers([6, 8, 10], 0, 1, 'bool')], rearrange));
  });

  test('large tensors', async () => {
    await expectAsOnCpu([normal([700, 300])], (x) => [
      tf.transpose(x),
      tf.concat([x, x], 1),
      tf.slice(x, [5, 7], [690, 290]),
    ]);
  });

  test('tensors of several storage types are joined in the promoted one', async () => {
    await expectAsOnCpu([normal([3, 4], 'float16'), normal([3, 4])], (a, b) => tf.concat([a, b], 0), {
      bound: 0,
    });
  });

  test('an index out of range throws if its value is known', () => {
    const x = tensorFromStorage(encodeStorageBytes(Float32Array.of(1, 2), 'float16'), [2], 'float16');
    expect(() => tf.gather(x, tf.tensor1d([2], 'int32'))).toThrow('2 is not in [0, 1]');
  });

  test('coordinates out of range throw if their values are known', () => {
    const indices = tf.tensor2d([1, 0, 2, 1], [2, 2], 'int32');
    expect(() => tf.gatherND(tf.ones([2, 3]), indices)).toThrow(
      'Invalid indices: 2,1 does not index into 2,3',
    );
  });

  test('an index out of range that the device computed gives zero', () => {
    const x = tf.tensor1d([1, 2]);
    const indices = tf.add(tf.tensor1d([0, 1, -3], 'int32'), tf.scalar(1, 'int32'));
    expect([...tf.gather(x, indices).dataSync()]).toEqual([2, 0, 0]);
  });
});
