import { expect, test } from '@jest/globals';
import { float32, int32, packParams, uint32, uint64 } from './params.ts';

const packed = (...params: Parameters<typeof packParams>[0]): number[] => [...packParams(params)];

test('packs fields one after another, little-endian', () => {
  expect(packed(int32(-2), uint32(0x80000001), float32(1))).toEqual([
    ...[0xfe, 0xff, 0xff, 0xff],
    ...[1, 0, 0, 0x80],
    ...[0, 0, 0x80, 0x3f],
  ]);
});

test('aligns and pads as C++ does around a ulong', () => {
  expect(packed(uint32(7), uint64(2 ** 40 + 3), uint32(9))).toEqual([
    ...[7, 0, 0, 0, 0, 0, 0, 0],
    ...[3, 0, 0, 0, 0, 1, 0, 0],
    ...[9, 0, 0, 0, 0, 0, 0, 0],
  ]);
  expect(packed()).toEqual([]);
});
