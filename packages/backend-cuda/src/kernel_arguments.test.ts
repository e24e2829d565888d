import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { float32, float64, int32, int64, packArguments, pointer, uint32 } from './kernel_arguments.ts';
import { cuda, describeOnCuda, describeOnGpu } from './testing/cuda.ts';

describe('arguments of a kernel', () => {
  test('lie at offsets of their own, in their type', () => {
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

const PTX = `
.version 7.0
.target sm_75
.address_size 64
.visible .entry negate(.param .u64 from, .param .u64 to, .param .u32 size) {
  .reg .b32 %r<6>;
  .reg .b64 %d<6>;
  .reg .f32 %f<3>;
  .reg .pred %p;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  ld.param.u32 %r5, [size];
  setp.ge.u32 %p, %r4, %r5;
  @%p ret;
  mul.wide.u32 %d1, %r4, 4;
  ld.param.u64 %d2, [from];
  ld.param.u64 %d3, [to];
  add.u64 %d4, %d2, %d1;
  add.u64 %d5, %d3, %d1;
  ld.global.f32 %f1, [%d4];
  neg.f32 %f2, %f1;
  st.global.f32 [%d5], %f2;
  ret;
}
`;

const image = new TextEncoder().encode(PTX);

describeOnGpu('a module', () => {
  test('runs on tensors', () => {
    const x = tf.tensor1d([1, -2, 3]);
    const output = cuda().makeOutput({ shape: [3], dtype: 'float32' });
    cuda()
      .loadModule(image)
      .launch('negate', { grid: 1, block: [32], args: [x, output, uint32(3)] });
    expect([...cuda().readSync(output.dataId)]).toEqual([-1, 2, -3]);
    cuda().disposeIntermediateTensorInfo(output);
  });

  test('names what is wrong', () => {
    expect(() => cuda().loadModule(new TextEncoder().encode('no PTX'))).toThrow(
      expect.objectContaining({ code: 'ERR_DEVICE' }),
    );
    const module = cuda().loadModule(image);
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
    expect([...tf.add(tf.tensor1d([1]), 1).dataSync()]).toEqual([2]); // the backend goes on
  });
});

describeOnCuda('a module without a GPU', () => {
  test('is refused on the host device', () => {
    if (!cuda().isHost) return;
    expect(() => cuda().loadModule(image)).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  });
});
