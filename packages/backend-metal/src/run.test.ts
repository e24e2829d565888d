import { paramsTable } from '@attention-js/backend-common';
import type { ParamFields } from '@attention-js/backend-common';
import { castStorage } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';
import type { Launch } from './launch.ts';
import { shaderKernel } from './shader_kernel.ts';
import { describeOnMetal, metal } from './testing/metal.ts';

const source = `
#include <metal_stdlib>
using namespace metal;

constant bool negate [[function_constant(0)]];
constant int power [[function_constant(1)]];

struct AffineParams {
  uint size;
  ulong big;
  int shift;
  float scale;
};

kernel void affine(device const float* x [[buffer(0)]], device const float* bias [[buffer(1)]],
                   device float* y [[buffer(2)]], constant AffineParams& params [[buffer(3)]],
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

const affineKernel = shaderKernel(
  { shader: 'test shader', source, function: 'affine' },
  ['x', 'bias?', 'y'],
  paramsTable('AffineParams', { size: 'uint32', big: 'uint64', shift: 'int32', scale: 'float32' }),
);
const noParams = paramsTable('NoParams', {});
const reverseKernel = shaderKernel(
  { shader: 'test shader', source, function: 'reverse' },
  ['x', 'y'],
  noParams,
);

function affine(x: tf.Tensor, negate: boolean, power: number): number[] {
  const y = metal().makeOutput({ shape: x.shape, dtype: 'float32' });
  metal().run(
    affineKernel,
    { x, bias: undefined, y },
    { size: x.size, big: 2 ** 33, shift: -3, scale: 0.5 },
    {
      constants: { negate, power },
      threadgroups: [Math.ceil(x.size / 4), 1, 1],
      threads: [4, 1, 1],
    },
  );
  return [...tf.engine().makeTensorFromTensorInfo(y).dataSync()];
}

const four: Launch = { threadgroups: [1, 1, 1], threads: [4, 1, 1], threadgroupBytes: 16 };

const reversing =
  (launch: Partial<Launch>, kernel = reverseKernel, x: tf.Tensor = tf.ones([4])) =>
  () =>
    metal().run(kernel, { x, y: tf.ones([4]) }, {}, { ...four, ...launch });

const refused = (message: RegExp) =>
  expect.objectContaining({
    name: 'AttentionError',
    code: 'ERR_DEVICE',
    message: expect.stringMatching(message),
  });

describeOnMetal('run', () => {
  test('binds buffers, parameters and function constants', () => {
    const x = tf.tensor1d([1, 2, 3, 4, 5]);
    expect(affine(x, false, 1)).toEqual([-0.5, 0, 0.5, 1, 1.5]);
    expect(affine(x, true, 2)).toEqual([0.5, -1, -3.5, -7, -11.5]);
    expect(affine(x, false, 1)).toEqual([-0.5, 0, 0.5, 1, 1.5]);
  });

  test('provides threadgroup memory, and runs launches in order', () => {
    const x = tf.tensor1d([1, 2, 3, 4]);
    const [once, twice] = [0, 1].map(() => metal().makeOutput({ shape: [4], dtype: 'float32' }));
    metal().run(reverseKernel, { x, y: once }, {}, four);
    metal().run(reverseKernel, { x: once, y: twice }, {}, four);
    metal().disposeIntermediateTensorInfo(once);
    expect([...tf.engine().makeTensorFromTensorInfo(twice).dataSync()]).toEqual([1, 2, 3, 4]);
  });

  test('accepts results of cpu kernels', () => {
    expect(affine(tf.sinh(tf.zeros([2])), false, 1)).toEqual([-1, -1]);
  });

  test('runs nothing for an empty grid', () => {
    expect(reversing({ threadgroups: [0, 1, 1], variant: 'missing' })).not.toThrow();
  });

  test('rejects what the device does not support, and names the shader', () => {
    expect(reversing({ variant: 'missing' })).toThrow(refused(/^\[metal\] test shader.*reverse_missing/s));
    expect(reversing({ constants: { unknown: 1 } })).toThrow(refused(/test shader.*unknown/s));
    const brokenSource = source.replace('shared[i] = x[i]', 'shared[i] = z[i]');
    const broken = shaderKernel(
      { shader: 'broken shader', source: brokenSource, function: 'reverse' },
      ['x', 'y'],
      noParams,
    );
    expect(reversing({}, broken)).toThrow(refused(/^\[metal\] broken shader.*'z'/s));
    expect(reversing({}, reverseKernel, tf.tensor1d(['text', 'b', 'c', 'd']))).toThrow(
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

  test('reports its device', () => {
    expect(metal().deviceName).toEqual(expect.any(String));
  });
});

/** Runs a kernel with these tables on the shader above, or on a modified one. */
function running(
  tensors: readonly string[],
  table: ParamFields,
  { name = 'AffineParams', function: functionName = 'affine', from = source } = {},
) {
  const kernel = shaderKernel(
    { shader: 'test shader', source: from, function: functionName },
    tensors,
    paramsTable(name, table),
  );
  const given = Object.fromEntries(tensors.map((tensor) => [tensor, tf.ones([4])]));
  const values = Object.fromEntries(Object.keys(table).map((field) => [field, 1]));
  return () =>
    metal().run(kernel, given, values, {
      constants: { negate: false, power: 1 },
      ...four,
    });
}

const arrays = (length: number) => `
      #include <metal_stdlib>
      using namespace metal;
      constant constexpr uint max_rank = ${length};
      struct ArrayParams {
        uint lengths[max_rank];  // of axes
        uint count;
      };
      kernel void arrays(device float* y [[buffer(0)]], constant ArrayParams& params [[buffer(1)]],
                         threadgroup float* shared [[threadgroup(0)]], uint i [[thread_position_in_grid]]) {
        if (i < params.count) y[i] = float(params.lengths[i]);
      }`;

describeOnMetal('tables that a shader contradicts', () => {
  const fields = { size: 'uint32', big: 'uint64', shift: 'int32', scale: 'float32' } as const;

  const names = ['x', 'bias', 'y'];

  test('are detected, and matching declarations pass', () => {
    expect(running(names, fields)).not.toThrow();
  });

  test.each([
    [
      'a name',
      { size: 'uint32', large: 'uint64', shift: 'int32', scale: 'float32' },
      'field 1: expected large:uint64, received big:uint64',
    ],
    ['a type', { ...fields, shift: 'uint32' }, 'field 2: expected shift:uint32, received shift:int32'],
    ['a size', { ...fields, big: 'uint32' }, 'field 1: expected big:uint32, received big:uint64'],
    [
      'an order',
      { big: 'uint64', size: 'uint32', shift: 'int32', scale: 'float32' },
      'field 0: expected big:uint64, received size:uint32',
    ],
    [
      'an array',
      { ...fields, scale: 'float32[2]' },
      'field 3: expected scale:float32[2], received scale:float32',
    ],
    ['a field too many', { ...fields, more: 'int32' }, 'field 4: expected more:int32, received nothing'],
    [
      'a field too few',
      { size: 'uint32', big: 'uint64', shift: 'int32' },
      'field 3: expected nothing, received scale:float32',
    ],
  ] as const)('in %s of a parameter', (_, table, message) => {
    expect(running(names, table)).toThrow(
      expect.objectContaining({
        code: 'ERR_DEVICE',
        message: `[metal] test shader: AffineParams, ${message} in the shader`,
      }),
    );
  });

  test.each([
    ['a name', ['x', 'offset', 'y'], 'buffer 1: expected offset, received bias'],
    ['an order', ['bias', 'x', 'y'], 'buffer 0: expected bias, received x'],
    [
      'a tensor too many',
      ['x', 'bias', 'y', 'z'],
      'buffer 3: expected z, received constant AffineParams& params',
    ],
    ['a tensor too few', ['x', 'bias'], 'buffer 2: expected constant AffineParams& params, received y'],
  ])('in %s of a tensor', (_, tensors, message) => {
    expect(running(tensors, fields)).toThrow(
      refused(new RegExp(`^\\[metal\\] test shader: affine, ${message} in the shader$`)),
    );
  });

  test('in the name of the struct or of the function', () => {
    expect(running(names, fields, { name: 'OtherParams' })).toThrow(
      refused(
        /affine, buffer 3: expected constant OtherParams& params, received constant AffineParams& params/,
      ),
    );
    expect(running(names, fields, { function: 'linear' })).toThrow(
      refused(/^\[metal\] test shader: linear: expected a kernel of this name, received none/),
    );
  });

  test('in the length of an array, which may be a constant', () => {
    const table = { lengths: 'uint32[4]', count: 'uint32' } as const;
    const options = { name: 'ArrayParams', function: 'arrays', from: arrays(3) };
    expect(running(['y'], table, options)).toThrow(
      refused(/ArrayParams, field 0: expected lengths:uint32\[4\], received lengths:uint32\[3\]/),
    );
  });
});
