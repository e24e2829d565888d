import { describe, expect, test } from '@jest/globals';
import { Random } from '../testing/random.ts';
import {
  decodeBfloat16,
  decodeFloat16,
  encodeBfloat16,
  encodeFloat16,
  roundArrayToStorage,
  roundToStorage,
} from './half_precision.ts';
import { decodeStorageBytes, encodeStorageBytes } from './storage_bytes.ts';

const formats = [
  { storage: 'float16', encode: encodeFloat16, decode: decodeFloat16, exponentBits: 5, mantissaBits: 10 },
  { storage: 'bfloat16', encode: encodeBfloat16, decode: decodeBfloat16, exponentBits: 8, mantissaBits: 7 },
] as const;

/** The value of a pattern by the definition of IEEE 754's binary formats. */
function definedValue(bits: number, exponentBits: number, mantissaBits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const mantissa = (bits & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  const exponent = (bits & 0x7fff) >> mantissaBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** (1 - bias) : (1 + mantissa) * 2 ** (exponent - bias));
}

/** The float32 next to `value`, `steps` patterns further from zero. */
function nextFloat32(value: number, steps: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  view.setInt32(0, view.getInt32(0) + steps);
  return view.getFloat32(0);
}

describe.each(formats)('$storage', ({ storage, encode, decode, exponentBits, mantissaBits }) => {
  const infinity = (2 ** exponentBits - 1) << mantissaBits;
  const positive = Array.from({ length: infinity }, (_, bits) =>
    definedValue(bits, exponentBits, mantissaBits),
  );
  const limit = 2 ** (2 ** (exponentBits - 1)); // what the pattern of infinity would stand for, were it a number

  /** Searches all values for the nearest, of two equally near ones the even pattern. */
  function nearestPattern(value: number): number {
    const magnitude = Math.abs(value);
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
    let [low, high] = [0, infinity];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (positive[middle] <= magnitude) low = middle;
      else high = middle;
    }
    const below = magnitude - positive[low];
    const above = (positive[high] ?? limit) - magnitude;
    return sign | (below < above || (below === above && low % 2 === 0) ? low : high);
  }

  /** Whether the pattern is `value` rounded; for NaN, a pattern of NaN. */
  function isRounded(value: number): boolean {
    const pattern = encode(value);
    return Number.isNaN(value) ? (pattern & 0x7fff) > infinity : pattern === nearestPattern(value);
  }

  test('decodes all 65,536 patterns by definition and encodes them back', () => {
    const patterns = Array.from({ length: 0x10000 }, (_, bits) => bits);
    const wrong = patterns.filter((bits) => {
      const value = decode(bits);
      const decoded = Object.is(value, definedValue(bits, exponentBits, mantissaBits));
      return !decoded || (Number.isNaN(value) ? !isRounded(value) : encode(value) !== bits);
    });
    expect(wrong).toEqual([]);
  });

  test('rounds to nearest, ties to even, next to every value', () => {
    const ties = positive.map((value, bits) => (value + (positive[bits + 1] ?? limit)) / 2);
    const values = ties.flatMap((tie) => [-1, 0, 1].map((steps) => nextFloat32(tie, steps)));
    expect(values.filter((value) => !isRounded(value) || !isRounded(-value))).toEqual([]);
  });

  test('rounds random float32 patterns', () => {
    const random = new Random(1);
    const view = new DataView(new ArrayBuffer(4));
    const values = Array.from({ length: 200_000 }, () => {
      view.setUint32(0, random.integer(0, 2 ** 32 - 1));
      return view.getFloat32(0);
    });
    expect(values.filter((value) => !isRounded(value))).toEqual([]);
  });

  test('overflows to infinity and keeps NaN', () => {
    const largest = positive[infinity - 1];
    expect(roundToStorage(largest, storage)).toBe(largest);
    expect(roundToStorage(-3.4e38 * 2, storage)).toBe(-Infinity);
    expect(roundToStorage(Infinity, storage)).toBe(Infinity);
    expect(roundToStorage(NaN, storage)).toBeNaN();
  });

  test('rounds a range and leaves the rest', () => {
    const values = Float32Array.of(1 / 3, 1 / 3, 1 / 3);
    roundArrayToStorage(values, storage, 1, 2);
    expect([...values]).toEqual([Math.fround(1 / 3), roundToStorage(1 / 3, storage), Math.fround(1 / 3)]);
  });

  test('bytes are little-endian and may lie at an odd offset', () => {
    const bytes = encodeStorageBytes(Float32Array.of(1, -2), storage);
    const one = storage === 'float16' ? 0x3c00 : 0x3f80;
    const two = 0xc000; // in both, with the sign
    expect([...bytes]).toEqual([one & 255, one >> 8, two & 255, two >> 8]);
    const shifted = new Uint8Array([99, ...bytes]).subarray(1);
    expect([...decodeStorageBytes(shifted, storage)]).toEqual([1, -2]);
  });
});

test('float32 keeps its bytes', () => {
  const values = Float32Array.of(1 / 3, -1e-40, 7);
  const bytes = encodeStorageBytes(values, 'float32');
  expect([...bytes]).toEqual([...new Uint8Array(values.buffer)]);
  expect([...decodeStorageBytes(bytes, 'float32')]).toEqual([...values]);
  expect(roundToStorage(1 / 3, 'float32')).toBe(Math.fround(1 / 3));
});

test('bytes of a Node Buffer are copied, not the pool that it lies in', () => {
  const buffer = Buffer.from(new Uint8Array(Float32Array.of(5, 6).buffer));
  expect([...decodeStorageBytes(buffer, 'float32')]).toEqual([5, 6]);
});
