import { existsSync } from 'node:fs';
import * as tf from '@attention-js/core/tf';
import { beforeAll, describe, expect, test } from '@jest/globals';

const hasGpu = existsSync('/dev/nvidiactl');
const hasAddon = existsSync(new URL('../build/cuda/attention_cuda.node', import.meta.url));

const reason = hasAddon
  ? {
      code: 'ERR_NO_DRIVER',
      message: expect.stringMatching(/^\[cuda\] expected an NVIDIA driver, found none/),
    }
  : { code: 'ERR_ADDON_MISSING', message: expect.stringMatching(/npx attention-cuda/) };

(hasGpu ? describe.skip : describe)('on a machine without a GPU', () => {
  beforeAll(async () => {
    delete process.env.ATTENTION_CUDA_HOST_DEVICE;
    await import('./index.ts'); // does not throw
  });

  test('is never chosen by itself', async () => {
    await tf.ready();
    expect(tf.getBackend()).toBe('cpu');
  });

  test('setBackend rejects with the reason, and so do later ops', async () => {
    const x = tf.tensor1d([1, 2]);
    const error = expect.objectContaining({ name: 'AttentionError', ...reason });
    await expect(tf.setBackend('cuda')).rejects.toEqual(error);
    expect(() => tf.tensor1d([1])).toThrow(error);
    expect(() => tf.add(x, x)).toThrow(error);
    expect(() => tf.memory()).toThrow(error);
    expect(() => tf.zerosWithStorage([2], 'float16')).toThrow(error);

    await tf.setBackend('cpu');
    expect([...x.add(1).dataSync()]).toEqual([2, 3]);
  });
});
