import { expect, test } from '@jest/globals';
import { float32, int32, packParams, uint32, uint64 } from './params.ts';
import type { Param } from './params.ts';

function expectPacked(params: Param[], hex: string): void {
  expect(Buffer.from(packParams(params)).toString('hex')).toBe(hex.replaceAll(' ', ''));
}

test('packs fields one after another, little-endian', () => {
  expectPacked([int32(-2), uint32(0x80000001), float32(1)], 'feffffff 01000080 0000803f');
});

test('aligns and pads as C++ does around a ulong', () => {
  expectPacked(
    [uint32(7), uint64(2 ** 40 + 3), uint32(9)],
    '07000000 00000000 03000000 00010000 09000000 00000000',
  );
  expectPacked([], '');
});
