import { assignStorage, zerosWithStorage } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';
import { describeOnMetal, metal } from './testing/metal.ts';

const values = (tensor: tf.Tensor): unknown => metal().data.get(tensor.dataId).values;

describeOnMetal('data', () => {
  test('cpu kernels and shaders use the same memory, not copies', () => {
    const x = tf.tensor1d([1, 2, 3]);
    expect(values(x)).toBe(values(x));
    (values(x) as Float32Array)[1] = 7;
    expect([...x.dataSync()]).toEqual([1, 7, 3]);
  });
});

describeOnMetal('memory', () => {
  test('is counted in actual bytes, and is freed', () => {
    const before = metal().memory();
    const cache = zerosWithStorage([1000], 'float16');
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2000);
    const ids = tf.tensor1d([1, 2, 3], 'int32');
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2012);
    const onCpu = tf.diag(tf.tensor1d([1, 2])); // its input has a buffer, its output does not yet
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2020);
    expect(metal().memory().numBytes - before.numBytes).toBe(2036);
    assignStorage(onCpu, new Float32Array([3, 4, 5, 6])); // writing in place needs a buffer
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(2036);
    expect(metal().memory().numBytes - before.numBytes).toBe(2036);
    tf.dispose([cache, ids, onCpu]);
    expect(metal().memory().numBytesInGPU - before.numBytesInGPU).toBe(8);
  });

  test('a view of it is detached with the tensor', () => {
    const x = tf.tensor1d([1, 2, 3]);
    const view = values(x) as Float32Array;
    expect(view.length).toBe(3);
    x.dispose();
    expect(view.length).toBe(0);
    expect(view.buffer.byteLength).toBe(0);
  });
});
