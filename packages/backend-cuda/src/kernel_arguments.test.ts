import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { float32, float64, int32, int64, packArguments, pointer, uint32 } from './kernel_arguments.ts';
import { cuda, describeOnCuda, describeOnGpu } from './testing/cuda.ts';
import { negate, negateImage } from './testing/negate.ts';

describe('arguments of a kernel', () => {
  test('are packed at their own offsets, in their type', () => {
    const args = [
      int32(-1),
      uint32(2 ** 32 - 1),
      float32(0.5),
      float64(0.1),
      int64(-(2 ** 40)),
      pointer(2 ** 46),
    ];
    const { bytes, offsets } = packArguments(args, () => 0);
    const view = new DataView(bytes.buffer);
    expect([...offsets]).toEqual([0, 8, 16, 24, 32, 40]);
    expect(view.getInt32(0, true)).toBe(-1);
    expect(view.getUint32(8, true)).toBe(2 ** 32 - 1);
    expect(view.getFloat32(16, true)).toBe(0.5);
    expect(view.getFloat64(24, true)).toBe(0.1);
    expect(view.getBigInt64(32, true)).toBe(-(2n ** 40n));
    expect(view.getBigUint64(40, true)).toBe(2n ** 46n);
  });

  test('a tensor is a pointer to its elements', () => {
    const x = { dataId: {}, shape: [1], dtype: 'float32' as const };
    const { bytes } = packArguments([x], (tensor) => (tensor === x ? 4096 : 0));
    expect(new DataView(bytes.buffer).getBigUint64(0, true)).toBe(4096n);
  });
});

describeOnGpu('a module', () => {
  test('runs on tensors', () => {
    expect([...negate(tf.tensor1d([1, -2, 3])).dataSync()]).toEqual([-1, 2, -3]);
  });

  test('names what is wrong', () => {
    expect(() => cuda().loadModule(new TextEncoder().encode('no PTX'))).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE' }),
    );
    const module = cuda().loadModule(negateImage);
    expect(() => module.launch('missing', { grid: 1, block: 1, args: [] })).toThrow(
      expect.objectContaining({
        code: 'ERR_RANGE',
        message: "[missing] function: expected one of the module's, received missing",
      }),
    );
    expect(() => module.launch('negate', { grid: -1, block: 1, args: [] })).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE' }),
    );
    expect(() => module.launch('negate', { grid: 2 ** 31, block: 1, args: [] })).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE' }),
    );
    expect(() => module.launch('negate', { grid: 1, block: 1, args: [] })).toThrow(
      expect.objectContaining({
        code: 'ERR_RANGE',
        message: '[negate] args: expected 3 of them, received 0',
      }),
    );
    const args = [pointer(0), pointer(0), uint32(0)];
    expect(() => module.launch('negate', { grid: 1, block: 4096, args })).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE' }),
    );
    expect([...tf.add(tf.tensor1d([1]), 1).dataSync()]).toEqual([2]); // the backend stays usable
  });
});

describeOnCuda('a module without a GPU', () => {
  test('is refused on the emulator', () => {
    if (!cuda().isEmulated) return;
    expect(() => cuda().loadModule(negateImage)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  });
});
