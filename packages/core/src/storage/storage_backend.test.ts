import * as tf from '@tensorflow/tfjs-core';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { assignStorage } from '../ops/assign_storage.ts';
import { castStorage } from '../ops/cast_storage.ts';
import '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { memoryInfo, pinToBackend, storageOf } from './storage_backend.ts';
import { storageBytes, tensorFromStorage, zerosWithStorage } from './storage_functions.ts';

const bfloat16One = Uint8Array.of(0x80, 0x3f);

beforeAll(() => {
  // A backend without storage types to which tfjs moves tensors.
  tf.registerBackend('second', () => new MathBackendCPU());
  tf.copyRegisteredKernels('cpu', 'second');
});
beforeEach(async () => {
  await tf.setBackend('cpu');
  tf.engine().startScope();
});
afterEach(async () => {
  tf.engine().endScope();
  await tf.setBackend('cpu');
});

test('a half tensor does not move to another backend', async () => {
  const x = tensorFromStorage(bfloat16One, [1], 'bfloat16');
  await tf.setBackend('second');
  expectAttentionError(
    () => tf.add(x, 1),
    'ERR_UNSUPPORTED',
    '[moveData] a bfloat16 tensor stays on the backend that created it: expected an op on that backend, received one on ' +
      'second; use castStorage or storageBytes to copy it explicitly',
  );
  expect(storageOf(x)).toBe('bfloat16'); // and is unchanged
  expect([...x.dataSync()]).toEqual([1]);
  expect([...(await storageBytes(x))]).toEqual([...bfloat16One]);
});

test('a pinned tensor does not move to another backend', async () => {
  const cache = tf.zeros([2]);
  pinToBackend(cache);
  await tf.setBackend('second');
  expectAttentionError(
    () => tf.neg(tf.reshape(cache, [1, 2])),
    'ERR_UNSUPPORTED',
    /^\[moveData\] a KV cache tensor stays on the backend that created it/,
  );
});

test('a float32 tensor moves as usual', async () => {
  const x = tf.tensor1d([1, 2]);
  await tf.setBackend('second');
  expect([...tf.add(x, 1).dataSync()]).toEqual([2, 3]);
  expect(storageOf(x)).toBe('float32');
});

test('a backend without storage types throws', async () => {
  await tf.setBackend('second');
  const x = tf.ones([1]);
  expect(storageOf(x)).toBe('float32');
  const calls = {
    tensorFromStorage: () => tensorFromStorage(bfloat16One, [1], 'bfloat16'),
    zerosWithStorage: () => zerosWithStorage([1], 'float16'),
    castStorage: () => castStorage(x, 'float16'),
    assignStorage: () => assignStorage(x, Float32Array.of(1)),
  };
  for (const [op, call] of Object.entries(calls)) {
    expectAttentionError(call, 'ERR_UNSUPPORTED', `[${op}] tfjs backend second has no storage types`);
  }
  await tf.setBackend('cpu'); // the tensor's owner matters, not the active backend
  await expect(storageBytes(x)).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    message: '[storageBytes] tfjs backend second has no storage types',
  });
});

test('reports the memory of a device that provides it', async () => {
  expect(memoryInfo()).toBeUndefined(); // cpu has no memory of its own
  await tf.setBackend('second');
  expect(memoryInfo()).toBeUndefined();
  const memory = { free: 3, total: 4 };
  const withStorage = { storageOf: () => 'float32', fromBytes: () => {}, memoryInfo: () => memory };
  Object.assign(tf.engine().backend, withStorage);
  expect(memoryInfo()).toBe(memory);
  for (const name of Object.keys(withStorage)) Reflect.deleteProperty(tf.engine().backend, name);
});
