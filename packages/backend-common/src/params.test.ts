import { describe, expect, test } from '@jest/globals';
import { AttentionError } from '@attention-js/core';
import { checkLayout, paramsTable } from './params.ts';
import type { ParamFields, ParamsTable, ParamValues } from './params.ts';

function pack<Fields extends ParamFields>(
  table: ParamsTable<Fields>,
  values: ParamValues<Fields>,
  start = 0,
): DataView {
  const view = new DataView(new ArrayBuffer(start + table.byteLength));
  table.pack(view, start, values);
  return view;
}

const hex = (view: DataView): string => Buffer.from(view.buffer).toString('hex');

function expectError(run: () => unknown, code: string, message: RegExp): void {
  let error: unknown;
  try {
    run();
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(AttentionError);
  expect((error as AttentionError).code).toBe(code);
  expect((error as AttentionError).message).toMatch(message);
}

const rmsNorm = paramsTable('RmsNormParams', {
  rows: 'int64',
  width: 'int32',
  epsilon: 'float32',
  addUnitOffset: 'bool',
});

describe('layout', () => {
  test('has the names, types and offsets of the C++ struct', () => {
    expect(rmsNorm.layout).toBe(
      'rows:int64@0,width:int32@8,epsilon:float32@12,add_unit_offset:bool@16;size=24',
    );
    expect(rmsNorm.byteLength).toBe(24);
  });

  test('aligns 64-bit fields to 8 bytes, and pads the end only for them', () => {
    expect(paramsTable('A', { a: 'uint32', b: 'uint64', c: 'bool' }).layout).toBe(
      'a:uint32@0,b:uint64@8,c:bool@16;size=24',
    );
    expect(paramsTable('B', { a: 'int32', b: 'float32', c: 'uint32' }).byteLength).toBe(12);
  });

  test('lays out arrays element after element', () => {
    expect(paramsTable('A', { rank: 'int32', shape: 'int64[6]', axes: 'uint32[3]' }).layout).toBe(
      'rank:int32@0,shape:int64[6]@8,axes:uint32[3]@56;size=72',
    );
  });
});

describe('pack', () => {
  test('writes each type little-endian', () => {
    const table = paramsTable('A', { a: 'int32', b: 'uint32', c: 'float32', d: 'bool', e: 'bool' });
    expect(hex(pack(table, { a: -2, b: 0x80000001, c: 1, d: true, e: false }))).toBe(
      'feffffff010000800000803f0100000000000000',
    );
  });

  test.each([
    0,
    1,
    -1,
    2 ** 31,
    2 ** 32,
    -(2 ** 32),
    -(2 ** 32) - 1,
    2 ** 40 + 3,
    2 ** 53 - 1,
    -(2 ** 53) + 1,
  ])('writes %p as 64 bits', (value) => {
    const view = pack(paramsTable('A', { a: 'int64' }), { a: value });
    expect(view.getBigInt64(0, true)).toBe(BigInt(value));
    if (value < 0) return;
    expect(pack(paramsTable('A', { a: 'uint64' }), { a: value }).getBigUint64(0, true)).toBe(BigInt(value));
  });

  test('writes at the given offset', () => {
    const view = pack(rmsNorm, { rows: 7, width: 3, epsilon: 0.5, addUnitOffset: true }, 16);
    expect(Array.from({ length: 4 }, (_, i) => view.getInt32(4 * i, true))).toEqual([0, 0, 0, 0]);
    expect(view.getBigInt64(16, true)).toBe(7n);
    expect(view.getInt32(24, true)).toBe(3);
    expect(view.getFloat32(28, true)).toBe(0.5);
    expect(view.getUint32(32, true)).toBe(1);
  });

  test('overwrites the whole array if the previous one was longer', () => {
    const table = paramsTable('A', { shape: 'int64[3]' });
    const view = pack(table, { shape: [4, 5, 6] });
    table.pack(view, 0, { shape: [7] });
    expect([0, 8, 16].map((offset) => view.getBigInt64(offset, true))).toEqual([7n, 0n, 0n]);
  });

  test.each([
    ['int32', 2 ** 31, 'an int32'],
    ['int32', 0.5, 'an int32'],
    ['int32', NaN, 'an int32'],
    ['uint32', -1, 'a uint32'],
    ['uint32', 2 ** 32, 'a uint32'],
    ['int64', 2 ** 53, 'an integer of type int64 below 2\\^53'],
    ['int64', 1.5, 'an integer of type int64 below 2\\^53'],
    ['uint64', -1, 'an integer of type uint64 below 2\\^53'],
  ] as const)('rejects for %s the value %p', (type, value, expected) => {
    const table = paramsTable('FooParams', { rowLength: type });
    expectError(
      () => pack(table, { rowLength: value }),
      'ERR_RANGE',
      new RegExp(`^\\[FooParams\\] rowLength: expected ${expected}, received ${value}$`),
    );
  });

  test('rejects an array that is too long', () => {
    const table = paramsTable('FooParams', { shape: 'int64[2]' });
    expectError(
      () => pack(table, { shape: [1, 2, 3] }),
      'ERR_RANGE',
      /^\[FooParams\] shape: expected at most 2 elements, received 3$/,
    );
  });
});

describe('wrong values are type errors, and also throw', () => {
  test('a missing field', () => {
    expectError(
      // @ts-expect-error a field is missing
      () => pack(rmsNorm, { rows: 7, width: 3, epsilon: 0.5 }),
      'ERR_DTYPE',
      /^\[RmsNormParams\] addUnitOffset: expected a boolean, received undefined$/,
    );
  });

  test('a number for a boolean', () => {
    expectError(
      // @ts-expect-error a number is not a boolean
      () => pack(rmsNorm, { rows: 7, width: 3, epsilon: 0.5, addUnitOffset: 1 }),
      'ERR_DTYPE',
      /^\[RmsNormParams\] addUnitOffset: expected a boolean, received number$/,
    );
  });

  test('a string for a number', () => {
    expectError(
      // @ts-expect-error a string is not a number
      () => pack(rmsNorm, { rows: '7', width: 3, epsilon: 0.5, addUnitOffset: true }),
      'ERR_DTYPE',
      /^\[RmsNormParams\] rows: expected a number, received string$/,
    );
  });

  test('a number for an array', () => {
    expectError(
      // @ts-expect-error a number is not an array
      () => pack(paramsTable('A', { shape: 'int64[2]' }), { shape: 1 }),
      'ERR_DTYPE',
      /^\[A\] shape: expected an array, received number$/,
    );
  });
});

describe('checkLayout', () => {
  test('accepts the same layout', () => {
    const layout = 'rows:int64@0,width:int32@8,epsilon:float32@12,add_unit_offset:bool@16;size=24';
    expect(() => checkLayout('rmsNorm', rmsNorm, layout)).not.toThrow();
  });

  test.each([
    [
      'type',
      'rows:int32@0,width:int32@8,epsilon:float32@12,add_unit_offset:bool@16;size=24',
      'rows',
      'rows:int32@0',
    ],
    [
      'name',
      'rows:int64@0,size:int32@8,epsilon:float32@12,add_unit_offset:bool@16;size=24',
      'width',
      'size:int32@8',
    ],
    [
      'order',
      'rows:int64@0,epsilon:float32@8,width:int32@12,add_unit_offset:bool@16;size=24',
      'width',
      'epsilon:float32@8',
    ],
    [
      'offset',
      'rows:int64@0,width:int32@12,epsilon:float32@16,add_unit_offset:bool@20;size=24',
      'width',
      'width:int32@12',
    ],
    ['missing field', 'rows:int64@0,width:int32@8,epsilon:float32@12;size=16', 'add_unit_offset', 'size=16'],
    [
      'further field',
      `${rmsNorm.layout.replace(';size=24', '')},heads:int32@20;size=24`,
      'size',
      'heads:int32@20',
    ],
    ['size', rmsNorm.layout.replace('size=24', 'size=32'), 'size', 'size=32'],
  ])('names op, field, expected and received for another %s', (_kind, layout, field, received) => {
    expectError(
      () => checkLayout('rmsNorm', rmsNorm, layout),
      'ERR_ADDON_MISSING',
      new RegExp(`^\\[rmsNorm\\] RmsNormParams\\.${field}: expected ${field}[:=]\\S+, received ${received};`),
    );
  });
});
