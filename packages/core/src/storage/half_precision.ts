import type { ElementStorage } from './storage_types.ts';

const floatView = new Float32Array(1);
const bitsView = new Uint32Array(floatView.buffer);

/** The bit pattern of `value` as bfloat16, rounded to nearest, ties to even. */
export function encodeBfloat16(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0];
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // keeps NaN a NaN without its low bits
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The value of a bfloat16 bit pattern. */
export function decodeBfloat16(bits: number): number {
  bitsView[0] = bits << 16;
  return floatView[0];
}

/** The bit pattern of `value` as IEEE 754 binary16, rounded to nearest, ties to even. */
export function encodeFloat16(value: number): number {
  floatView[0] = value;
  const bits = bitsView[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and above, infinity included
  if (magnitude < 0x38800000) {
    // Below 2^-14 a half is a multiple of 2^-24. Adding 0.5 makes that the last bit of the float32, so the addition
    // rounds to nearest even and leaves the half's pattern in the low bits.
    bitsView[0] = magnitude;
    floatView[0] += 0.5;
    return sign | (bitsView[0] - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The value of an IEEE 754 binary16 bit pattern. */
export function decodeFloat16(bits: number): number {
  const sign = (bits & 0x8000) << 16;
  const magnitude = bits & 0x7fff;
  if (magnitude >= 0x7c00) {
    bitsView[0] = sign | 0x7f800000 | ((magnitude & 0x3ff) << 13);
  } else if (magnitude >= 0x400) {
    bitsView[0] = sign | ((magnitude << 13) + 0x38000000);
  } else {
    const value = magnitude * 2 ** -24;
    return sign ? -value : value;
  }
  return floatView[0];
}

/** The half-precision storage types. */
export type HalfStorage = Exclude<ElementStorage, 'float32'>;

/** Converts a value to a bit pattern and back. */
interface HalfCodec {
  encode: (value: number) => number;
  decode: (bits: number) => number;
}

/** The codec of each half-precision type. */
export const HALF_CODECS: Readonly<Record<HalfStorage, HalfCodec>> = {
  float16: { encode: encodeFloat16, decode: decodeFloat16 },
  bfloat16: { encode: encodeBfloat16, decode: decodeBfloat16 },
};

/** Rounds `value`, as a float32, to the nearest value that `storage` can represent. */
export function roundToStorage(value: number, storage: ElementStorage): number {
  if (storage === 'float32') return Math.fround(value);
  const { encode, decode } = HALF_CODECS[storage];
  return decode(encode(value));
}

/** Rounds `values[start..end)` in place to values that `storage` can represent. */
export function roundArrayToStorage(
  values: Float32Array,
  storage: ElementStorage,
  start = 0,
  end = values.length,
): void {
  if (storage === 'float32') return;
  const { encode, decode } = HALF_CODECS[storage];
  for (let i = start; i < end; i++) values[i] = decode(encode(values[i]));
}
