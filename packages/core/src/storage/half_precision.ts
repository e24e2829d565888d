import { AttentionError } from '../errors.ts';
import { BYTES_PER_ELEMENT, STORAGE_TYPES } from './storage_types.ts';
import type { StorageType } from './storage_types.ts';

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

type HalfStorage = Exclude<StorageType, 'float32'>;

interface Codec {
  encode: (value: number) => number;
  decode: (bits: number) => number;
}

const codecs: Record<HalfStorage, Codec> = {
  float16: { encode: encodeFloat16, decode: decodeFloat16 },
  bfloat16: { encode: encodeBfloat16, decode: decodeBfloat16 },
};

/** `value`, taken as a float32, rounded to the nearest value that `storage` can hold. */
export function roundToStorage(value: number, storage: StorageType): number {
  if (storage === 'float32') return Math.fround(value);
  const { encode, decode } = codecs[storage];
  return decode(encode(value));
}

/** Rounds `values[start..end)` in place to what `storage` can hold. */
export function roundArrayToStorage(
  values: Float32Array,
  storage: StorageType,
  start = 0,
  end = values.length,
): void {
  if (storage === 'float32') return;
  const { encode, decode } = codecs[storage];
  for (let i = start; i < end; i++) values[i] = decode(encode(values[i]));
}

/** `[object Uint8Array]` and the like, which unlike `instanceof` says the same of an array of another realm. */
const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

function checkCodec(op: string, argument: string, value: unknown, kinds: string[], storage: unknown): void {
  const fail = (name: string, expected: string, received: string): never => {
    throw new AttentionError('ERR_DTYPE', `[${op}] ${name}: expected ${expected}, received ${received}`);
  };
  if (!STORAGE_TYPES.includes(storage as StorageType))
    fail('storage', STORAGE_TYPES.join(' or '), String(storage));
  if (!kinds.includes(kindOf(value))) fail(argument, kinds.join(' or '), kindOf(value));
  const { byteLength } = value as Uint8Array;
  const size = BYTES_PER_ELEMENT[storage as StorageType];
  if (argument === 'bytes' && byteLength % size !== 0)
    fail(argument, `a multiple of ${size} bytes`, `${byteLength}`);
}

/**
 * The little-endian bytes of `values` in `storage`.
 *
 * @throws AttentionError `ERR_DTYPE` for other values and storage types.
 */
export function encodeStorageBytes(values: Float32Array | Int32Array, storage: StorageType): Uint8Array {
  checkCodec('encodeStorageBytes', 'values', values, ['Float32Array', 'Int32Array'], storage);
  if (storage === 'float32') return new Uint8Array(new Float32Array(values).buffer);
  const { encode } = codecs[storage];
  const patterns = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) patterns[i] = encode(values[i]);
  return new Uint8Array(patterns.buffer);
}

/**
 * The values of little-endian `bytes` in `storage`; `bytes` may start at any offset of its buffer.
 *
 * @throws AttentionError `ERR_DTYPE` for other bytes, half an element, and other storage types.
 */
export function decodeStorageBytes(bytes: Uint8Array, storage: StorageType): Float32Array {
  checkCodec('decodeStorageBytes', 'bytes', bytes, ['Uint8Array'], storage);
  const aligned = new Uint8Array(bytes).buffer; // not slice(), which for a Node Buffer copies nothing
  if (storage === 'float32') return new Float32Array(aligned);
  const { decode } = codecs[storage];
  const patterns = new Uint16Array(aligned);
  const values = new Float32Array(patterns.length);
  for (let i = 0; i < patterns.length; i++) values[i] = decode(patterns[i]);
  return values;
}
