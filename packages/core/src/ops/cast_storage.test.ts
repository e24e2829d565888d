import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { roundToStorage } from '../storage/half_precision.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { decodeStorageBytes, encodeStorageBytes } from '../storage/storage_bytes.ts';
import { storageBytes, tensorFromStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { blockTypesOf, describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { tensorOf } from '../testing/tensors.ts';
import { assignStorage } from './assign_storage.ts';
import { castStorage } from './cast_storage.ts';

const conversions = ELEMENT_STORAGE_TYPES.flatMap((from) =>
  ELEMENT_STORAGE_TYPES.map((to) => [from, to] as const),
);

describeOnBackends('castStorage', (backendName) => {
  test.each(conversions)('rounds %s to %s', (from, to) => {
    const given = [0, -0, 1, 65519, 65520, 1e-8, 1e38, Infinity, -Infinity, Number.NaN];
    const { tensor, values } = tensorOf(
      Float32Array.from([...given, ...new Random(1).normal(30)]),
      [4, 10],
      from,
    );
    const cast = castStorage(tensor, to);
    expect([cast.dtype, cast.shape, storageOf(cast)]).toEqual(['float32', [4, 10], to]);
    expect([...cast.dataSync()]).toEqual([...values].map((value) => roundToStorage(value, to)));
    expect(storageOf(tensor)).toBe(from);
  });

  for (const storage of blockTypesOf(backendName, 'castStorage'))
    test(`quantizes to ${storage}, and back`, async () => {
      const values = new Random(2).normal(3 * 256);
      const packed = castStorage(tf.tensor(values, [3, 256]), storage);
      expect([packed.shape, storageOf(packed)]).toEqual([[3, 256], storage]);
      const bytes = encodeStorageBytes(values, storage);
      expect(await storageBytes(packed)).toEqual(bytes);
      const decoded = decodeStorageBytes(bytes, storage);
      for (const to of ELEMENT_STORAGE_TYPES) {
        const cast = castStorage(packed, to);
        expect(storageOf(cast)).toBe(to);
        expect([...cast.dataSync()]).toEqual([...decoded].map((value) => roundToStorage(value, to)));
      }
      const copy = castStorage(packed, storage);
      expect(storageOf(copy)).toBe(storage);
      expect(tensorFromStorage(bytes, [3, 256], storage).dataSync()).toEqual(packed.dataSync());
    });

  test('gives memory of its own, of the same storage type too', () => {
    const x = tf.ones([2]);
    const copy = castStorage(x, 'float32');
    assignStorage(x, Float32Array.of(5, 5));
    expect([...copy.dataSync()]).toEqual([1, 1]);
  });

  test('takes what tf.cast made of int32', () => {
    const x = tf.cast(tf.tensor1d([1, 2], 'int32'), 'float32');
    const copy = castStorage(x, 'float32');
    assignStorage(copy, Float32Array.of(0.5, 0.25));
    expect([...copy.dataSync()]).toEqual([0.5, 0.25]);
  });

  test('takes no elements', () => {
    expect(castStorage(tf.zeros([0, 3]), 'bfloat16').shape).toEqual([0, 3]);
  });

  test('leaks nothing', () => {
    const x = tf.ones([2]);
    expectNoLeak(() => castStorage(x, 'float16'));
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => castStorage(tf.ones([2], 'int32'), 'float16'),
      'ERR_DTYPE',
      '[castStorage] x: expected float32, received int32',
    );
    expectAttentionError(
      () => castStorage(tf.ones([2]), 'fp16' as ElementStorage),
      'ERR_RANGE',
      '[castStorage] storage: expected one of "float32", "float16", "bfloat16", "q4_0", "q5_0", "q8_0", "q4_k", "q5_k", "q6_k", received "fp16"',
    );
  });
});
