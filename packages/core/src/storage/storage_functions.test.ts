import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { AttentionError } from '../errors.ts';
import { storageOf } from './storage_backend.ts';
import { storageBytes, tensorFromStorage, zerosWithStorage } from './storage_functions.ts';
import { BYTES_PER_ELEMENT, ELEMENT_STORAGE_TYPES } from './storage_types.ts';
import type { ElementStorage } from './storage_types.ts';

/** 1, -2.5 and 0.15625 in each storage type. */
const patterns: Record<ElementStorage, Uint8Array> = {
  float32: new Uint8Array(Float32Array.of(1, -2.5, 0.15625).buffer),
  float16: Uint8Array.of(0x00, 0x3c, 0x00, 0xc1, 0x00, 0x31),
  bfloat16: Uint8Array.of(0x80, 0x3f, 0x20, 0xc0, 0x20, 0x3e),
};

describeOnBackends('storage functions', (backendName) => {
  test.each(ELEMENT_STORAGE_TYPES)('bytes in %s become a tensor and bytes again', async (storage) => {
    const x = tensorFromStorage(patterns[storage], [3, 1], storage);
    expect([x.dtype, x.shape, storageOf(x)]).toEqual(['float32', [3, 1], storage]);
    expect([...x.dataSync()]).toEqual([1, -2.5, 0.15625]);
    expect([...(await storageBytes(x))]).toEqual([...patterns[storage]]);
  });

  test('tensorFromStorage copies the bytes', () => {
    const bytes = patterns.float32.slice();
    const x = tensorFromStorage(bytes, [3], 'float32');
    bytes.fill(0);
    expect([...x.dataSync()]).toEqual([1, -2.5, 0.15625]);
  });

  test('storageBytes copies the tensor', async () => {
    const x = tensorFromStorage(patterns.float32, [3], 'float32');
    (await storageBytes(x)).fill(0);
    expect([...x.dataSync()]).toEqual([1, -2.5, 0.15625]);
  });

  test('storageBytes reads int32, and float32 that tf.cast made of it', async () => {
    const x = tf.tensor1d([1, -2], 'int32');
    expect([...(await storageBytes(x))]).toEqual([1, 0, 0, 0, 254, 255, 255, 255]);
    expect([...(await storageBytes(tf.cast(x, 'float32')))]).toEqual([0, 0, 128, 63, 0, 0, 0, 192]);
  });

  test.each(ELEMENT_STORAGE_TYPES)('zerosWithStorage makes zeros in %s', async (storage) => {
    for (const memory of ['device', 'host'] as const) {
      const x = zerosWithStorage([2, 3], storage, { memory });
      expect([x.dtype, x.shape, storageOf(x)]).toEqual(['float32', [2, 3], storage]);
      expect([...x.dataSync()]).toEqual([0, 0, 0, 0, 0, 0]);
      expect((await storageBytes(x)).length).toBe(6 * BYTES_PER_ELEMENT[storage]);
    }
  });

  test('makes empty tensors', async () => {
    expect(zerosWithStorage([0, 4], 'bfloat16').shape).toEqual([0, 4]);
    expect((await storageBytes(tensorFromStorage(new Uint8Array(0), [2, 0], 'float16'))).length).toBe(0);
  });

  test('clone, reshape, same-dtype cast and variable keep the storage type', () => {
    const x = tensorFromStorage(patterns.bfloat16, [3], 'bfloat16');
    const variable = tf.variable(x);
    for (const kept of [x.clone(), tf.reshape(x, [1, 3]), tf.cast(x, 'float32'), variable]) {
      expect(storageOf(kept)).toBe('bfloat16');
    }
    variable.dispose();
  });

  test("tfjs's own tensors are float32", () => {
    expect(storageOf(tf.ones([2]))).toBe('float32');
    expect(storageOf(tf.ones([2], 'int32'))).toBe('float32');
  });

  if (backendName === 'cpu') {
    test('zerosWithStorage says when there is no memory', () => {
      expectAttentionError(
        () => zerosWithStorage([2 ** 20, 2 ** 20], 'float16'),
        'ERR_OUT_OF_MEMORY',
        '[zerosWithStorage] shape: expected memory for 1099511627776 elements, received none',
      );
    });

    test("tfjs's own ops give float32 on cpu", () => {
      const x = tensorFromStorage(patterns.bfloat16, [3], 'bfloat16');
      for (const y of [tf.add(x, x), tf.slice(x, [0], [3]), tf.concat([x, x]), tf.mul(x, 1 / 3)]) {
        expect(storageOf(y)).toBe('float32');
      }
      expect(tf.mul(x, 1 / 3).dataSync()[0]).toBe(Math.fround(1 / 3));
    });
  }

  test('leak nothing', () => {
    expectNoLeak(() => tensorFromStorage(patterns.float16, [3], 'float16'));
    expectNoLeak(() => zerosWithStorage([2], 'bfloat16'));
  });

  test('name argument, expected and received', async () => {
    expectAttentionError(
      () => tensorFromStorage(new Uint8Array(7), [3], 'float16'),
      'ERR_SHAPE',
      '[tensorFromStorage] bytes: expected 6 bytes for float16 of shape [3], received 7',
    );
    expectAttentionError(
      () => tensorFromStorage(new Float32Array(3) as unknown as Uint8Array, [3], 'float32'),
      'ERR_DTYPE',
      '[tensorFromStorage] bytes: expected a Uint8Array, received Float32Array',
    );
    expectAttentionError(
      () => tensorFromStorage(new Uint8Array(6), [3], 'float8' as ElementStorage),
      'ERR_RANGE',
      '[tensorFromStorage] storage: expected one of "float32", "float16", "bfloat16", "q4_0", "q5_0", "q8_0", "q4_k", "q5_k", "q6_k", received "float8"',
    );
    expectAttentionError(
      () => tensorFromStorage(new Uint8Array(6), [-3], 'float16'),
      'ERR_RANGE',
      '[tensorFromStorage] shape[0]: expected an integer >= 0, received -3',
    );
    expectAttentionError(
      () => zerosWithStorage([2, 1.5], 'float16'),
      'ERR_RANGE',
      '[zerosWithStorage] shape[1]: expected an integer >= 0, received 1.5',
    );
    expectAttentionError(
      () => zerosWithStorage(3 as unknown as number[], 'float16'),
      'ERR_SHAPE',
      '[zerosWithStorage] shape: expected an array of integers, received 3',
    );
    expectAttentionError(
      () => zerosWithStorage([2], 'half' as ElementStorage),
      'ERR_RANGE',
      '[zerosWithStorage] storage: expected one of "float32", "float16", "bfloat16", "q4_0", "q5_0", "q8_0", "q4_k", "q5_k", "q6_k", received "half"',
    );
    expectAttentionError(
      () => zerosWithStorage([2], 'float16', { memory: 'disk' as 'host' }),
      'ERR_RANGE',
      '[zerosWithStorage] memory: expected one of "device", "host", received "disk"',
    );
    const gone = tf.zeros([2]);
    gone.dispose();
    await expect(storageBytes(gone)).rejects.toMatchObject({
      code: 'ERR_DISPOSED',
      message: '[storageBytes] x: expected a live tensor, received a disposed one',
    });
    await expect(storageBytes(tf.zeros([2], 'bool'))).rejects.toMatchObject({
      code: 'ERR_DTYPE',
      message: '[storageBytes] x: expected float32 or int32, received bool',
    });
    await expect(storageBytes([1] as unknown as tf.Tensor)).rejects.toBeInstanceOf(AttentionError);
  });
});
