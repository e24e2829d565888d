import { castStorage } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';
import type { Dispatch } from './dispatch.ts';
import { float32, int32, uint32, uint64 } from './params.ts';
import { describeOnMetal, metal } from './testing/metal.ts';

const source = `
#include <metal_stdlib>
using namespace metal;

constant bool negate [[function_constant(0)]];
constant int power [[function_constant(1)]];

struct Params {
  uint size;
  ulong big;
  int shift;
  float scale;
};

kernel void affine(device const float* x [[buffer(0)]], device const float* bias [[buffer(1)]],
                   device float* y [[buffer(2)]], constant Params& params [[buffer(3)]],
                   uint i [[thread_position_in_grid]]) {
  if (i >= params.size) return;
  float value = 1.0f;
  for (int n = 0; n < power; n++) value *= x[i];
  value = value * params.scale + float(params.shift) + float(params.big >> 32);
  y[i] = negate ? -value : value;
}

kernel void reverse(device const float* x [[buffer(0)]], device float* y [[buffer(1)]],
                    threadgroup float* shared [[threadgroup(0)]], uint i [[thread_position_in_threadgroup]],
                    uint n [[threads_per_threadgroup]]) {
  shared[i] = x[i];
  threadgroup_barrier(mem_flags::mem_threadgroup);
  y[i] = shared[n - 1 - i];
}
`;

const library = () => metal().library('test shader', source);

function run(call: Omit<Dispatch, 'shader'>): void {
  metal().dispatch({ shader: library(), ...call });
}

function affine(x: tf.Tensor, negate: boolean, power: number): number[] {
  const y = metal().makeOutput({ shape: x.shape, dtype: 'float32' });
  run({
    function: 'affine',
    constants: { negate, power },
    buffers: [x, undefined, y],
    params: [uint32(x.size), uint64(2 ** 33), int32(-3), float32(0.5)],
    threadgroups: [Math.ceil(x.size / 4), 1, 1],
    threads: [4, 1, 1],
  });
  return [...tf.engine().makeTensorFromTensorInfo(y).dataSync()];
}

const failing = (call: Partial<Dispatch>) => () =>
  run({
    function: 'reverse',
    buffers: [tf.ones([4]), tf.ones([4])],
    threadgroups: [1, 1, 1],
    threads: [4, 1, 1],
    threadgroupBytes: 16,
    ...call,
  });

const refused = (message: RegExp) =>
  expect.objectContaining({
    name: 'AttentionError',
    code: 'ERR_DEVICE',
    message: expect.stringMatching(message),
  });

describeOnMetal('dispatch', () => {
  test('binds buffers, parameters and function constants', () => {
    const x = tf.tensor1d([1, 2, 3, 4, 5]);
    expect(affine(x, false, 1)).toEqual([-0.5, 0, 0.5, 1, 1.5]);
    expect(affine(x, true, 2)).toEqual([0.5, -1, -3.5, -7, -11.5]);
    expect(affine(x, false, 1)).toEqual([-0.5, 0, 0.5, 1, 1.5]);
  });

  test('gives threadgroup memory, and orders one dispatch after another', () => {
    const x = tf.tensor1d([1, 2, 3, 4]);
    const [once, twice] = [0, 1].map(() => metal().makeOutput({ shape: [4], dtype: 'float32' }));
    const shape = {
      function: 'reverse',
      threadgroups: [1, 1, 1],
      threads: [4, 1, 1],
      threadgroupBytes: 16,
    } as const;
    run({ ...shape, buffers: [x, once] });
    run({ ...shape, buffers: [once, twice] });
    metal().disposeIntermediateTensorInfo(once);
    expect([...tf.engine().makeTensorFromTensorInfo(twice).dataSync()]).toEqual([1, 2, 3, 4]);
  });

  test('takes what a kernel of cpu computed', () => {
    expect(affine(tf.sinh(tf.zeros([2])), false, 1)).toEqual([-1, -1]);
  });

  test('runs nothing for an empty grid', () => {
    expect(failing({ threadgroups: [0, 1, 1], function: 'missing' })).not.toThrow();
  });

  test('refuses what the device cannot do, and names the shader', () => {
    expect(failing({ function: 'missing' })).toThrow(refused(/^\[metal\] test shader.*missing/s));
    expect(failing({ constants: { unknown: 1 } })).toThrow(refused(/test shader.*unknown/s));
    const broken = metal().library(
      'broken shader',
      'kernel void f(device float* x [[buffer(0)]]) { x[0] = y; }',
    );
    expect(failing({ shader: broken, function: 'f', buffers: [tf.ones([1])] })).toThrow(
      refused(/^\[metal\] broken shader.*'y'/s),
    );
    expect(failing({ buffers: [tf.tensor1d(['text'])] })).toThrow(
      expect.objectContaining({
        code: 'ERR_DTYPE',
        message: '[metal] expected float32, int32 or bool data, received string',
      }),
    );
  });

  test('names the types of shaders', () => {
    const x = tf.ones([2]);
    expect(metal().mslType(x)).toBe('float');
    expect(metal().mslType(x.toInt())).toBe('int');
    expect(metal().mslType(castStorage(x, 'float16'))).toBe('half');
    expect(metal().mslType('bfloat16')).toBe('bfloat');
  });

  test('says what it runs on', () => {
    expect(metal().deviceName).toEqual(expect.any(String));
  });
});
