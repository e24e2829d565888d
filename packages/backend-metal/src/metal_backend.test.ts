import {
  assignStorage,
  castStorage,
  storageBytes,
  storageOf,
  tensorFromStorage,
  zerosWithStorage,
} from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';
import { describeOnMetal, metal } from './testing/metal.ts';

const values = (tensor: tf.Tensor): unknown => metal().data.get(tensor.dataId).values;

describeOnMetal('data', () => {
  test('kernels of cpu see the memory that shaders see, not a copy', () => {
    const x = tf.tensor1d([1, 2, 3]);
    expect(values(x)).toBe(values(x));
    (values(x) as Float32Array)[1] = 7;
    expect([...x.dataSync()]).toEqual([1, 7, 3]);
  });

  test('does not keep the arrays of the caller, nor gives out its own', () => {
    const array = new Float32Array([1, 2]);
    const x = tf.tensor1d(array);
    array[0] = 9;
    x.dataSync()[1] = 9;
    expect([...x.dataSync()]).toEqual([1, 2]);
    const y = tf.diag(x); // made by a kernel of cpu
    y.dataSync()[0] = 9;
    expect([...y.dataSync()]).toEqual([1, 0, 0, 2]);
  });

  test('reads exactly the elements', () => {
    for (const size of [0, 1, 3, 5]) {
      const read = tf.ones([size]).dataSync();
      expect(read.length).toBe(size);
      expect(read.buffer.byteLength).toBe(4 * size);
    }
  });

  test('a result that was a view of its input outlives it', () => {
    const x = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const row = tf.slice(x, [1, 0], [1, 2]); // cpu gives a subarray here
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

  test('moves between cpu and metal', async () => {
    const x = tf.tensor1d([1, 2]);
    await tf.setBackend('cpu');
    const y = x.add(1);
    await tf.setBackend('metal');
    expect([...y.add(1).dataSync()]).toEqual([3, 4]);
  });

  test('times what it runs', async () => {
    const { kernelMs } = await tf.time(() => tf.diag(tf.ones([100])));
    expect(kernelMs).toBeGreaterThan(0);
  });
});

describeOnMetal('storage types', () => {
  test('hold half the bytes, and give them back as they came', async () => {
    const bytes = new Uint8Array([0x80, 0x3f, 0x00, 0xc0, 0xc0, 0x7f]);
    const x = tensorFromStorage(bytes, [3], 'bfloat16');
    expect(storageOf(x)).toBe('bfloat16');
    expect([...x.dataSync()]).toEqual([1, -2, Number.NaN]);
    expect(await storageBytes(x)).toEqual(bytes);
    expect(await storageBytes(tf.tensor1d([1, -1], 'int32'))).toEqual(
      new Uint8Array([1, 0, 0, 0, 255, 255, 255, 255]),
    );
  });

  test('widen for kernels of cpu, which give float32', () => {
    const x = tensorFromStorage(new Uint8Array([0x00, 0x3c, 0x00, 0x40]), [2], 'float16');
    expect(values(x)).toEqual(new Float32Array([1, 2]));
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

  test('do not leave the backend in silence', async () => {
    const x = zerosWithStorage([2], 'float16');
    await tf.setBackend('cpu');
    try {
      expect(() => x.add(1)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    } finally {
      await tf.setBackend('metal');
    }
  });
});

describeOnMetal('memory', () => {
  test('is counted in real bytes, and comes back', () => {
    const before = metal().memory();
    const cache = zerosWithStorage([1000], 'float16');
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2000);
    const ids = tf.tensor1d([1, 2, 3], 'int32');
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2012);
    const onHost = tf.diag(tf.tensor1d([1, 2])); // its input has a buffer, its output none yet
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2020);
    expect(metal().memory().numBytes - before.numBytes).toBe(2036);
    assignStorage(onHost, new Float32Array([3, 4, 5, 6])); // which it needs to be written in place
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2036);
    expect(metal().memory().numBytes - before.numBytes).toBe(2036);
    tf.dispose([cache, ids, onHost]);
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(8);
  });

  test('a view of it ends with the tensor', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const view = values(x) as Float32Array;
    expect(view.length).toBe(3);
    x.dispose();
    expect(view.length).toBe(0);
    expect(view.buffer.byteLength).toBe(0);
  });

  test('holds nothing back', () => {
    const before = { ...metal().memory(), ids: metal().numDataIds() };
    for (let i = 0; i < 100; i++) {
      tf.tidy(() => void tf.softmax(tf.matMul(tf.ones([4, 4]), tf.ones([4, 4]))));
      zerosWithStorage([64], 'bfloat16').dispose();
    }
    expect({ ...metal().memory(), ids: metal().numDataIds() }).toEqual(before);
  });

  test('that there is not is ERR_OUT_OF_MEMORY', () => {
    expect(() => zerosWithStorage([2 ** 45], 'float16')).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY' }),
    );
  });
});
