import { decodeFloat16, encodeFloat16 } from '../half_precision.ts';

export function readFloat16(bytes: Uint8Array, at: number): number {
  return decodeFloat16(bytes[at] | (bytes[at + 1] << 8));
}

/** Writes `value` as float16 and returns the rounded value. */
export function writeFloat16(bytes: Uint8Array, at: number, value: number): number {
  const bits = encodeFloat16(value);
  bytes[at] = bits & 0xff;
  bytes[at + 1] = bits >>> 8;
  return decodeFloat16(bits);
}
