import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { roundToStorage } from '../storage/half_precision.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { tensorOf } from '../testing/tensors.ts';
import { assignStorage } from './assign_storage.ts';

describeOnBackends('assignStorage', (backendName) => {
  test.each(ELEMENT_STORAGE_TYPES)('rounds a typed array and a tensor to %s', (storage) => {
    const values = new Random(1).normal(6);
    const expected = [...values].map((value) => roundToStorage(value, storage));
    for (const source of [values, tensorOf(values, [2, 3], 'float32').tensor]) {
      const destination = zerosWithStorage([2, 3], storage);
      assignStorage(destination, source);
      expect([...destination.dataSync()]).toEqual(expected);
      expect(storageOf(destination)).toBe(storage);
    }
  });

  test('takes a source of another storage type', () => {
    const source = tensorOf(Float32Array.of(1 / 3, 70000), [2], 'bfloat16');
    const destination = zerosWithStorage([2], 'float16');
    assignStorage(destination, source.tensor);
    expect([...destination.dataSync()]).toEqual([roundToStorage(source.values[0], 'float16'), Infinity]);
  });

  test('writes int32', () => {
    const destination = tf.zeros([3], 'int32');
    assignStorage(destination, Int32Array.of(1, -1, 2 ** 31 - 1));
    expect([...destination.dataSync()]).toEqual([1, -1, 2 ** 31 - 1]);
    assignStorage(destination, tf.tensor1d([4, 5, 6], 'int32'));
    expect([...destination.dataSync()]).toEqual([4, 5, 6]);
  });

  test('shows through tensors that share the data, and copies the source', () => {
    const destination = tf.zeros([2]);
    const shared = destination.clone();
    const source = Float32Array.of(1, 2);
    assignStorage(destination, source);
    source.fill(9);
    expect([...shared.dataSync()]).toEqual([1, 2]);
  });

  test('refuses a source that shares its data with the destination', () => {
    const destination = tf.zeros([2]);
    expectAttentionError(
      () => assignStorage(destination, destination.clone()),
      'ERR_UNSUPPORTED',
      '[assignStorage] source: expected its own data, received the data of destination',
    );
  });

  test('takes no elements', () => {
    const destination = tf.zeros([0, 2]);
    assignStorage(destination, new Float32Array(0));
    assignStorage(destination, tf.zeros([0, 2]));
    expect(destination.size).toBe(0);
  });

  test('leaks nothing', () => {
    const [destination, source] = [tf.zeros([2]), tf.ones([2])];
    expectNoLeak(() => assignStorage(destination, source));
    expectNoLeak(() => assignStorage(destination, Float32Array.of(1, 2)));
  });

  test('refuses to be recorded', () => {
    const destination = tf.zeros([1]);
    for (const source of [tf.ones([1]), Float32Array.of(1)]) {
      expectAttentionError(
        () => tf.grad((x: tf.Tensor) => (assignStorage(destination, source), tf.square(x)))(tf.scalar(1)),
        'ERR_UNSUPPORTED',
        /^\[assignStorage\] destination: expected no gradient recording, since it is written in place/,
      );
    }
    expect([...destination.dataSync()]).toEqual([0]);
  });

  test('names argument, expected and received', () => {
    const [floats, ints] = [tf.zeros([2]), tf.zeros([2], 'int32')];
    expectAttentionError(
      () => assignStorage(floats, new Float32Array(3)),
      'ERR_SHAPE',
      '[assignStorage] source: expected 2 elements, received 3',
    );
    expectAttentionError(
      () => assignStorage(floats, tf.zeros([2, 1])),
      'ERR_SHAPE',
      '[assignStorage] source: expected shape [2] to match destination, received [2, 1]',
    );
    expectAttentionError(
      () => assignStorage(floats, new Int32Array(2)),
      'ERR_DTYPE',
      '[assignStorage] source: expected a Tensor or Float32Array for float32, received Int32Array',
    );
    expectAttentionError(
      () => assignStorage(ints, new Float32Array(2)),
      'ERR_DTYPE',
      '[assignStorage] source: expected a Tensor or Int32Array for int32, received Float32Array',
    );
    expectAttentionError(
      () => assignStorage(floats, [1, 2] as unknown as Float32Array),
      'ERR_DTYPE',
      '[assignStorage] source: expected a Tensor or Float32Array for float32, received [1, 2]',
    );
    expectAttentionError(
      () => assignStorage(floats, ints),
      'ERR_DTYPE',
      '[assignStorage] source: expected float32, received int32',
    );
    expectAttentionError(
      () => assignStorage(tf.zeros([2], 'bool'), new Float32Array(2)),
      'ERR_DTYPE',
      '[assignStorage] destination: expected float32 or int32, received bool',
    );
    const gone = tf.zeros([2]);
    gone.dispose();
    expectAttentionError(
      () => assignStorage(gone, new Float32Array(2)),
      'ERR_DISPOSED',
      '[assignStorage] destination: expected a live tensor, received a disposed one',
    );
  });

  if (backendName === 'cpu') {
    test('does not truncate into the int32 tensor behind tf.cast', () => {
      const ints = tf.tensor1d([1, 2], 'int32');
      const floats = tf.cast(ints, 'float32');
      for (const source of [Float32Array.of(0.5, 0.5), tf.ones([2])]) {
        expectAttentionError(
          () => assignStorage(floats, source),
          'ERR_UNSUPPORTED',
          '[assignStorage] destination: expected unshared float32 memory, received memory shared with the ' +
            'input of tf.cast; copy it first',
        );
      }
      expect([...ints.dataSync()]).toEqual([1, 2]);
    });

    test('does not truncate into the bool tensor behind tf.cast', () => {
      const bools = tf.tensor1d([true, false], 'bool');
      const ints = tf.cast(bools, 'int32');
      expectAttentionError(
        () => assignStorage(ints, Int32Array.of(1000, -1)),
        'ERR_UNSUPPORTED',
        /^\[assignStorage\] destination: expected unshared int32 memory/,
      );
      expect([...bools.dataSync()]).toEqual([1, 0]);
    });
  }
});
