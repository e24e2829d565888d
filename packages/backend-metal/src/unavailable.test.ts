import * as tf from '@attention-js/core/tf';
import { beforeAll, expect, test } from '@jest/globals';

const noDevice = {
  name: 'AttentionError',
  code: 'ERR_NO_DEVICE',
  message:
    "[metal] expected a Mac with Apple silicon, received linux-x64: use another backend here, for example tf.setBackend('cpu')",
};

beforeAll(async () => {
  delete process.env.ATTENTION_METAL_HOST_DEVICE;
  Object.defineProperty(process, 'platform', { value: 'linux' });
  Object.defineProperty(process, 'arch', { value: 'x64' });
  await import('./index.ts'); // does not throw
});

test('is never chosen by itself', async () => {
  await tf.ready();
  expect(tf.getBackend()).toBe('cpu');
});

test('setBackend rejects with the reason, and so do later ops', async () => {
  const x = tf.tensor1d([1, 2]);
  await expect(tf.setBackend('metal')).rejects.toMatchObject(noDevice);
  expect(() => tf.tensor1d([1])).toThrow(expect.objectContaining(noDevice));
  expect(() => tf.add(x, x)).toThrow(expect.objectContaining(noDevice));
  expect(() => tf.memory()).toThrow(expect.objectContaining(noDevice));
  expect(() => tf.zerosWithStorage([2], 'float16')).toThrow(expect.objectContaining(noDevice));
  expect(tf.storageOf(x)).toBe('float32'); // it lives on `cpu`

  await tf.setBackend('cpu');
  expect([...x.add(1).dataSync()]).toEqual([2, 3]);
});
