import {
  assignStorage,
  castStorage,
  rmsNorm,
  storageBytes,
  tensorFromStorage,
  zerosWithStorage,
} from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';
import { registerCudaDevice } from './index.ts';
import { alive, cuda, describeOnCuda } from './testing/cuda.ts';

const outOfMemory = expect.objectContaining({
  name: 'AttentionError',
  code: 'ERR_OUT_OF_MEMORY',
  message: expect.stringMatching(/^\[cuda\] needed \d+ bytes of GPU memory, free are \d+ of \d+$/),
});

const MEGABYTE = 2 ** 20;
const staging = () => cuda().memory().numBytesStaging;
const peak = () => cuda().memory().numBytesPeak;
const floats = (size: number) => zerosWithStorage([size], 'float32');

describeOnCuda('data', () => {
  test('neither keeps arrays of the caller nor exposes its own', () => {
    for (const size of [2, 100_000]) {
      const array = new Float32Array(size).fill(1); // the larger one is uploaded immediately
      const x = tf.tensor1d(array);
      array[0] = 9;
      x.dataSync()[1] = 9;
      expect([...x.dataSync().subarray(0, 2)]).toEqual([1, 1]);
      expect(x.add(1).dataSync()[0]).toBe(2);
      expect(x.dataSync()[0]).toBe(1);
    }
  });

  test('a read survives the disposal of its tensor, and sees what was written before it', async () => {
    const x = zerosWithStorage([3], 'float16');
    const half = castStorage(tf.tensor1d([1, 2, 3]), 'float16');
    const reads = Promise.all([x.data(), half.data(), storageBytes(half)]);
    assignStorage(x, new Float32Array([7, 7, 7]));
    tf.dispose([x, half]);
    for (let i = 0; i < 10; i++) tf.ones([3]).add(4).dispose(); // may reuse the memory
    const [zeros, numbers, bytes] = await reads;
    expect([...zeros, ...numbers]).toEqual([0, 0, 0, 1, 2, 3]);
    expect([...new Uint16Array(bytes.buffer)]).toEqual([0x3c00, 0x4000, 0x4200]);
  });

  test('many reads at once get their own values', async () => {
    const reads = Array.from({ length: 50 }, (_, i) => tf.zeros([1000]).add(i).data());
    (await Promise.all(reads)).forEach((values, i) => expect(values[999]).toBe(i));
  });

  test('uploads of every size arrive', () => {
    // By value up to 128 and 2048 bytes, then through pinned memory, then directly.
    for (const size of [1, 32, 33, 512, 513, 4096, 4097, 100_000, 2 ** 20, 2 ** 20 + 3]) {
      const values = Float32Array.from({ length: size }, (_, i) => i);
      const x = tensorFromStorage(new Uint8Array(values.buffer), [size], 'float32');
      expect(x.dataSync()).toEqual(values);
    }
  });
});

describeOnCuda('memory', () => {
  test('is counted in actual bytes, and is freed', () => {
    const before = cuda().memory();
    const gained = () => cuda().memory().numBytesInGPU - before.numBytesInGPU;
    const cache = zerosWithStorage([1000], 'float16');
    expect(gained()).toBe(2000);
    const ids = tf.tensor1d([1, 2, 3], 'int32'); // small: uploaded when a kernel needs it
    expect(gained()).toBe(2000);
    expect(cuda().memory().numBytes - before.numBytes).toBe(2012);
    ids.add(ids).dispose();
    expect(gained()).toBe(2012);
    tf.dispose([cache, ids]);
    expect(gained()).toBe(0);
    expect(cuda().memory().numBytesReserved).toBeGreaterThan(0);
    expect(cuda().memory().numBytesPeak).toBeGreaterThanOrEqual(2012);
    expect(cuda().memory().numBytesFree).toBeGreaterThan(0);
  });

  test('has a peak of tensors plus scratch memory', () => {
    const indices = tf.range(0, 1000, 1, 'int32').reshape([1000, 1]) as tf.Tensor2D;
    const updates = floats(1000).add(1);
    const add = () => tf.scatterND(indices, updates, [2000]);
    add().dispose();
    const most = floats(Math.ceil((peak() - cuda().memory().numBytesInGPU) / 4) + 1000);
    const before = peak();
    const sums = add();
    const after = before + 8000 + 8 * 1024; // the output, and 1024 sort keys
    expect(peak()).toBe(after);
    most.dispose();
    floats(1000).dispose();
    expect(peak()).toBe(after);
    expect([...sums.dataSync()]).toEqual(Array.from({ length: 2000 }, (_, i) => Number(i < 1000)));
  });

  test('pinned memory holds caches too', async () => {
    const before = cuda().memory();
    const cache = zerosWithStorage([8, 16], 'bfloat16', { memory: 'host' });
    expect(cuda().memory().numBytesPinned - before.numBytesPinned).toBe(256);
    expect(cuda().memory().numBytesInGPU).toBe(before.numBytesInGPU);
    assignStorage(cache, new Float32Array(128).fill(1.5));
    expect(cache.sum().dataSync()[0]).toBe(192);
    expect((await cache.data())[127]).toBe(1.5);
    cache.dispose();
    expect(cuda().memory().numBytesPinned).toBe(before.numBytesPinned);
  });

  test('staging memory is counted while in use, and bounded otherwise', async () => {
    const x = tf.zeros([4 * MEGABYTE]).add(1); // 16 MB
    const reads = Array.from({ length: 8 }, () => x.data());
    expect(staging()).toBeGreaterThanOrEqual(8 * 16 * MEGABYTE);
    await Promise.all(reads);
    expect(staging()).toBeLessThanOrEqual(64 * MEGABYTE);
    expect(staging()).toBeGreaterThanOrEqual(16 * MEGABYTE);
    const kept = staging();
    for (let i = 0; i < 5; i++) await x.data();
    expect(staging()).toBe(kept);
    const larger = tf
      .zeros([5 * MEGABYTE])
      .add(1)
      .data();
    expect(staging()).toBe(kept + 20 * MEGABYTE);
    await larger;
    expect(staging()).toBe(kept);
    const upload = new Uint8Array(3 * MEGABYTE);
    const uploaded = Array.from({ length: 40 }, () =>
      tensorFromStorage(upload, [upload.length / 4], 'float32'),
    );
    expect(staging()).toBeLessThanOrEqual(64 * MEGABYTE);
    tf.dispose([x, ...uploaded]);
  });

  test('exhausted a thousand times gives ERR_OUT_OF_MEMORY, and the backend stays usable', () => {
    const before = { tensors: tf.memory().numTensors, ids: cuda().numDataIds(), ...cuda().memory() };
    for (let i = 0; i < 1000; i++) expect(() => zerosWithStorage([2 ** 42], 'float16')).toThrow(outOfMemory);
    const { numBytesInGPU } = cuda().memory();
    expect({ tensors: tf.memory().numTensors, ids: cuda().numDataIds(), numBytesInGPU }).toEqual({
      tensors: before.tensors,
      ids: before.ids,
      numBytesInGPU: before.numBytesInGPU,
    });
    expect([...tf.tensor1d([1, 2]).add(1).dataSync()]).toEqual([2, 3]);
  });

  test('nothing leaks over many ops', () => {
    const x = tf.ones([4, 64]).add(0);
    const weight = tf.ones([64]).add(0);
    const before = alive();
    const times = cuda().isEmulated ? 1000 : 100_000;
    for (let i = 0; i < times; i++) tf.tidy(() => void rmsNorm(x, weight, { epsilon: 1e-5 }).add(i));
    expect(alive()).toEqual(before);
  });
});

describeOnCuda('devices', () => {
  test('each has its own name', () => {
    expect(registerCudaDevice(0)).toBe('cuda:0');
    expect(registerCudaDevice(0)).toBe('cuda:0');
    expect(() => registerCudaDevice(-1)).toThrow(
      expect.objectContaining({
        code: 'ERR_RANGE',
        message: '[registerCudaDevice] index: expected an integer of at least 0, received -1',
      }),
    );
  });

  test('two backends on one GPU keep their tensors apart', async () => {
    const name = registerCudaDevice(0);
    const x = tf.tensor1d([1, 2]).add(1);
    await tf.setBackend(name);
    try {
      const y = x.mul(2); // moved by tfjs
      expect([...y.dataSync()]).toEqual([4, 6]);
      const normed = rmsNorm(tf.ones([1, 8]), tf.ones([8]), { epsilon: 1e-6 });
      expect(normed.dataSync()[0]).toBeCloseTo(1, 5);
    } finally {
      await tf.setBackend('cuda');
    }
    expect([...x.dataSync()]).toEqual([2, 3]); // moved back
  });

  test('a missing one rejects with the reason', async () => {
    const name = registerCudaDevice(99);
    await expect(tf.setBackend(name)).rejects.toMatchObject({
      code: 'ERR_NO_DEVICE',
      message: expect.stringMatching(/^\[cuda\] expected an NVIDIA GPU with index 99, found \d+ GPUs?/),
    });
    await tf.setBackend('cuda');
  });
});
