import {
  assignStorage,
  castStorage,
  storageBytes,
  storageOf,
  tensorFromStorage,
  zerosWithStorage,
} from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expect, jest, test } from '@jest/globals';
import type { DeviceBackend } from './device_backend.ts';
import { describeOnDevices } from '../../core/src/testing/backends.ts';

const backend = (): DeviceBackend => tf.engine().backend as DeviceBackend;

function figures(): { numBytes: number; numBytesInGPU: number } {
  const { numBytes, numBytesInGPU } = backend().memory();
  return { numBytes, numBytesInGPU };
}

/** How a backend keeps data, for any kind of memory. */
describeOnDevices('data', () => {
  test('neither keeps arrays of the caller nor exposes its own', () => {
    for (const size of [2, 100_000]) {
      const array = new Float32Array(size).fill(1);
      const x = tf.tensor1d(array); // large arrays are uploaded at once even if uploads are lazy
      array[0] = 9;
      x.dataSync()[1] = 9;
      expect([...x.dataSync().subarray(0, 2)]).toEqual([1, 1]);
      expect(x.add(1).dataSync()[0]).toBe(2); // uploads x
      expect(x.dataSync()[0]).toBe(1);
    }
    const y = tf.diag(tf.tensor1d([1, 2])); // made by a cpu kernel
    y.dataSync()[0] = 9;
    expect([...y.dataSync()]).toEqual([1, 0, 0, 2]);
  });

  test('reads exactly the elements', async () => {
    for (const size of [0, 1, 3, 5]) {
      const ones = tf.ones([size]);
      for (const read of [ones.dataSync(), await ones.data()]) {
        expect(read).toEqual(new Float32Array(size).fill(1));
        expect(read.buffer.byteLength).toBe(4 * size);
      }
    }
  });

  test('a result that is a view of its input on cpu outlives it', () => {
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const row = tf.slice(x, [1, 0], [1, 2]); // a subarray on cpu
    x.dispose();
    expect([...row.dataSync()]).toEqual([3, 4]);
  });

  test('keeps int32, bool, string and complex apart', () => {
    expect(tf.tensor1d([1.5, -2], 'int32').dataSync()).toEqual(new Int32Array([1, -2]));
    expect(tf.tensor1d([true, false], 'bool').dataSync()).toEqual(new Uint8Array([1, 0]));
    expect(tf.tensor1d([true, false], 'bool').toFloat().add(0.5).dataSync()).toEqual(
      new Float32Array([1.5, 0.5]),
    );
    expect(tf.tensor1d(['a', 'ß']).dataSync()).toEqual(['a', 'ß']);
    const z = tf.complex(tf.tensor1d([1, 2]), tf.tensor1d([3, 4]));
    expect([...z.dataSync()]).toEqual([1, 3, 2, 4]);
    expect([...tf.imag(z).dataSync()]).toEqual([3, 4]);
  });

  test('a read survives the disposal of its tensor', async () => {
    const x = zerosWithStorage([3], 'float16');
    const half = castStorage(tf.tensor1d([1, 2, 3]), 'float16');
    const reads = Promise.all([x.data(), half.data(), storageBytes(half)]);
    x.dispose();
    half.dispose();
    const [zeros, numbers, bytes] = await reads;
    expect([...zeros, ...numbers]).toEqual([0, 0, 0, 1, 2, 3]);
    expect([...new Uint16Array(bytes.buffer)]).toEqual([0x3c00, 0x4000, 0x4200]);
  });

  test('a read of complex numbers does not block, and survives their disposal too', async () => {
    const x = tf.ones([3]).add(1);
    const z = tf.complex(x, x.add(1));
    const waiting = jest.spyOn(backend(), 'readSync');
    const read = z.data();
    tf.dispose([x, z]);
    for (let i = 0; i < 10; i++) tf.ones([3]).add(4).dispose(); // may reuse the memory
    expect([...(await read)]).toEqual([2, 3, 2, 3, 2, 3]);
    expect(waiting).not.toHaveBeenCalled();
    waiting.mockRestore();
  });

  test('moves between cpu and the backend', async () => {
    const backendName = tf.getBackend();
    const x = tf.tensor1d([1, 2]);
    await tf.setBackend('cpu');
    const y = x.add(1);
    await tf.setBackend(backendName);
    expect([...y.add(1).dataSync()]).toEqual([3, 4]);
  });

  test('moved to cpu and back keeps its references, and leaks nothing', async () => {
    const backendName = tf.getBackend();
    const count = () => [backend().numDataIds(), tf.memory().numDataBuffers, ...Object.values(figures())];
    const before = count();
    const x = tf.tidy(() => tf.tensor1d([1, 2]).add(1)); // data made by the backend
    const alias = x.reshape([2, 1]);
    for (let round = 0; round < 2; round++) {
      await tf.setBackend('cpu');
      x.add(1).dispose(); // moves it to cpu
      expect(tf.engine().backend.refCount(x.dataId)).toBe(2);
      await tf.setBackend(backendName);
      expect(backend().refCount(x.dataId)).toBe(0);
      expect(backend().numDataIds()).toBe(before[0]);
      x.add(1).dispose(); // moves it back
      expect(backend().refCount(x.dataId)).toBe(2);
      expect(backend().numDataIds()).toBe(before[0] + 1);
    }
    x.dispose();
    expect([...alias.dataSync()]).toEqual([2, 3]);
    alias.dispose();
    expect(count()).toEqual(before);
    expect(backend().disposeData(x.dataId)).toBe(true);
    expect(count()).toEqual(before);
  });

  test('times what it runs', async () => {
    const { kernelMs } = await tf.time(() => tf.diag(tf.ones([100])));
    expect(kernelMs).toBeGreaterThan(0);
  });
});

describeOnDevices('storage types', () => {
  test('take half the bytes, and round-trip exactly', async () => {
    const bytes = new Uint8Array([0x80, 0x3f, 0x00, 0xc0, 0xc0, 0x7f]);
    const x = tensorFromStorage(bytes, [3], 'bfloat16');
    expect(storageOf(x)).toBe('bfloat16');
    expect([...x.dataSync()]).toEqual([1, -2, Number.NaN]);
    expect(await storageBytes(x)).toEqual(bytes);
    expect(await storageBytes(tf.tensor1d([1, -1], 'int32'))).toEqual(
      new Uint8Array([1, 0, 0, 0, 255, 255, 255, 255]),
    );
  });

  test('are widened for cpu kernels, which return float32', () => {
    const x = tensorFromStorage(new Uint8Array([0x00, 0x3c, 0x00, 0x40]), [2], 'float16');
    const y = tf.diag(x);
    expect(storageOf(y)).toBe('float32');
    expect([...y.dataSync()]).toEqual([1, 0, 0, 2]);
  });

  test('stay with the data through clone, reshape and variable', () => {
    const x = zerosWithStorage([2, 3], 'float16');
    for (const alias of [x.clone(), x.reshape([6]), tf.variable(x)]) expect(storageOf(alias)).toBe('float16');
  });

  test('are written in place, rounded', () => {
    const x = zerosWithStorage([2], 'bfloat16');
    const alias = x.reshape([2, 1]);
    assignStorage(x, new Float32Array([1.003, -300.7]));
    expect([...alias.dataSync()]).toEqual([1, -300]);
    const ids = tf.tensor1d([1, 2], 'int32');
    assignStorage(ids, new Int32Array([-7, 8]));
    expect([...ids.dataSync()]).toEqual([-7, 8]);
  });

  test('do not move to another backend silently', async () => {
    const backendName = tf.getBackend();
    const x = zerosWithStorage([2], 'float16');
    await tf.setBackend('cpu');
    try {
      expect(() => x.add(1)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    } finally {
      await tf.setBackend(backendName);
    }
  });
});

describeOnDevices('memory', () => {
  test('is fully released', () => {
    const before = { ...figures(), ids: backend().numDataIds() };
    for (let i = 0; i < 100; i++) {
      tf.tidy(() => void tf.softmax(tf.matMul(tf.ones([4, 4]), tf.ones([4, 4]))));
      zerosWithStorage([64], 'bfloat16').dispose();
    }
    expect({ ...figures(), ids: backend().numDataIds() }).toEqual(before);
  });

  test('that runs out within a kernel is released entirely', () => {
    const before = { ...figures(), ids: backend().numDataIds() };
    const failing = (): void => {
      backend().makeOutput({ shape: [100], dtype: 'float32' });
      backend().makeOutput({ shape: [2 ** 45], dtype: 'float32' });
    };
    expect(() => backend().runKernel(failing)).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
    );
    expect({ ...figures(), ids: backend().numDataIds() }).toEqual(before);
  });

  test('that is exhausted gives ERR_OUT_OF_MEMORY', () => {
    expect(() => zerosWithStorage([2 ** 45], 'float16')).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
    );
  });
});
