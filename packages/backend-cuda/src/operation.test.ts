import { paramsTable } from '@attention-js/backend-common';
import type { NamedTensors } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';
import { expect, test } from '@jest/globals';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Operation, operation, operations } from './operation.ts';
import { describeOnCuda } from './testing/cuda.ts';

const TENSORS = ['x', 'weight', 'residual?', 'normed', 'residualSum?'] as const;
const FIELDS = { rows: 'int64', width: 'int32', epsilon: 'float32', addUnitOffset: 'bool' } as const;
const NATIVE = {
  name: 'rmsNorm',
  tensors: 'x,weight,residual,normed,residual_sum',
  layout: 'rows:int64@0,width:int32@8,epsilon:float32@12,add_unit_offset:bool@16;size=24',
  byteLength: 104,
};

const rmsNorm = (): Operation => new Operation('rmsNorm', TENSORS, paramsTable('RmsNormParams', FIELDS));

function errorOf(run: () => unknown): AttentionError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AttentionError);
    return error as AttentionError;
  }
  throw new Error('expected an error, received none');
}

function expectMismatch(run: () => unknown, start: string): void {
  const { code, message } = errorOf(run);
  expect(code).toBe('ERR_ADDON_MISSING');
  expect(message).toContain(start);
}

test('is found in the addon by its name', () => {
  const found = rmsNorm();
  found.bind([{ ...NATIVE, name: 'silu' }, NATIVE]);
  expect(found.index).toBe(1);
  expect(found.block.byteLength).toBe(NATIVE.byteLength);
});

test.each([
  ['name', { name: 'rmsNrom' }, '[rmsNorm] name: expected an operation of the addon, received none;'],
  [
    'name of a tensor',
    { tensors: 'x,weights,residual,normed,residual_sum' },
    '[rmsNorm] tensors: expected x,weight,residual,normed,residual_sum, received x,weights,residual,normed,residual_sum;',
  ],
  [
    'order of tensors',
    { tensors: 'weight,x,residual,normed,residual_sum' },
    '[rmsNorm] tensors: expected x,weight,residual,normed,residual_sum, received weight,x,residual,normed,residual_sum;',
  ],
  ['number of tensors', { tensors: 'x,weight,residual,normed' }, '[rmsNorm] tensors: expected x,weight,'],
  [
    'type of a field',
    { layout: NATIVE.layout.replace('rows:int64', 'rows:uint64') },
    '[rmsNorm] RmsNormParams.rows: expected rows:int64@0, received rows:uint64@0;',
  ],
  [
    'name of a field',
    { layout: NATIVE.layout.replace('width', 'length') },
    '[rmsNorm] RmsNormParams.width: expected width:int32@8, received length:int32@8;',
  ],
  [
    'order of fields',
    { layout: 'rows:int64@0,epsilon:float32@8,width:int32@12,add_unit_offset:bool@16;size=24' },
    '[rmsNorm] RmsNormParams.width: expected width:int32@8, received epsilon:float32@8;',
  ],
  ['size with tensors', { byteLength: 96 }, '[rmsNorm] byteLength: expected 104, received 96;'],
  [
    'size',
    { layout: NATIVE.layout.replace('size=24', 'size=20') },
    '[rmsNorm] RmsNormParams.size: expected size=24, received size=20;',
  ],
])('another %s in the addon is an error that names it', (_kind, change, message) => {
  expectMismatch(() => rmsNorm().bind([{ ...NATIVE, ...change }]), message);
});

test('tensors are checked by TypeScript', () => {
  const x: TensorInfo = { dataId: {}, shape: [8], dtype: 'float32' };
  // @ts-expect-error the output is missing
  const missing: NamedTensors<'x' | 'output'> = { x };
  // @ts-expect-error only residuals may be undefined
  const none: NamedTensors<'x' | 'residual?'> = { x: undefined, residual: undefined };
  const both: NamedTensors<'x' | 'residual?'> = { x, residual: undefined };
  expect([missing, none, both]).toHaveLength(3);
});

describeOnCuda('operations', () => {
  test('all operations of the backend are in the addon', () => {
    expect(operations().length).toBeGreaterThan(30);
    for (const { index } of operations()) expect(index).toBeGreaterThanOrEqual(0);
    expect(new Set(operations().map(({ index }) => index)).size).toBe(operations().length);
  });

  test('an operation described after the addon was loaded is checked at once', () => {
    const table = paramsTable('RmsNormParams', { ...FIELDS, width: 'int64' });
    expectMismatch(
      () => operation('rmsNorm', TENSORS, table),
      '[rmsNorm] RmsNormParams.width: expected width:int64@8, received width:int32@8;',
    );
    expectMismatch(
      () => operation('rmsNorm', ['x', 'output'], paramsTable('RmsNormParams', FIELDS)),
      '[rmsNorm] tensors: expected x,output, received x,weight,residual,normed,residual_sum;',
    );
    expectMismatch(
      () => operation('rmsNrom', TENSORS, table),
      '[rmsNrom] name: expected an operation of the addon, received none;',
    );
  });
});
