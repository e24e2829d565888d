import { AttentionError } from '../errors.ts';
import { BLOCK_CODECS } from './blocks/block_codecs.ts';
import { HALF_CODECS } from './half_precision.ts';
import { STORAGE_FORMATS, STORAGE_TYPES, isBlockStorage, storageByteLength } from './storage_types.ts';
import type { BlockStorage, StorageType } from './storage_types.ts';

/** The class name from `[object Uint8Array]`. Unlike `instanceof`, it also works for arrays of another realm. */
const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

function checkCodec(op: string, argument: string, value: unknown, kinds: string[], storage: unknown): void {
  const fail = (name: string, expected: string, received: string): never => {
    throw new AttentionError('ERR_DTYPE', `[${op}] ${name}: expected ${expected}, received ${received}`);
  };
  if (!STORAGE_TYPES.includes(storage as StorageType))
    fail('storage', STORAGE_TYPES.join(' or '), String(storage));
  if (!kinds.includes(kindOf(value))) fail(argument, kinds.join(' or '), kindOf(value));
  const { blockLength, blockBytes } = STORAGE_FORMATS[storage as StorageType];
  const { byteLength, length } = value as Uint8Array;
  if (argument === 'bytes' && byteLength % blockBytes !== 0)
    fail(argument, `a multiple of ${blockBytes} bytes`, `${byteLength}`);
  if (argument === 'values' && length % blockLength !== 0)
    fail(argument, `a multiple of ${blockLength} elements`, `${length}`);
}

/**
 * The bytes of `values` in `storage`: elements are rounded to nearest and stored little-endian; blocks are quantized as GGML's
 * reference does. A block with an element that is not finite decodes to NaN throughout.
 *
 * @param values The values; their number is a multiple of the storage type's block length.
 * @throws AttentionError `ERR_DTYPE` for other values and storage types.
 * @see llama.cpp: `ggml-quants.c`, whose formats and rules these are.
 */
export function encodeStorageBytes(values: Float32Array | Int32Array, storage: StorageType): Uint8Array {
  checkCodec('encodeStorageBytes', 'values', values, ['Float32Array', 'Int32Array'], storage);
  if (isBlockStorage(storage)) return encodeBlocks(new Float32Array(values), storage);
  if (storage === 'float32') return new Uint8Array(new Float32Array(values).buffer);
  const { encode } = HALF_CODECS[storage];
  const patterns = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) patterns[i] = encode(values[i]);
  return new Uint8Array(patterns.buffer);
}

/**
 * The values of `bytes` in `storage`; `bytes` may start at any offset of its buffer.
 *
 * @throws AttentionError `ERR_DTYPE` for other bytes, half an element or block, and other storage types.
 */
export function decodeStorageBytes(bytes: Uint8Array, storage: StorageType): Float32Array {
  checkCodec('decodeStorageBytes', 'bytes', bytes, ['Uint8Array'], storage);
  if (isBlockStorage(storage)) {
    const { blockLength, blockBytes } = STORAGE_FORMATS[storage];
    const values = new Float32Array((bytes.length / blockBytes) * blockLength);
    decodeBlocks(bytes, 0, storage, values, 0, values.length);
    return values;
  }
  const aligned = new Uint8Array(bytes).buffer; // not slice(), which for a Node Buffer copies nothing
  if (storage === 'float32') return new Float32Array(aligned);
  const { decode } = HALF_CODECS[storage];
  const patterns = new Uint16Array(aligned);
  const values = new Float32Array(patterns.length);
  for (let i = 0; i < patterns.length; i++) values[i] = decode(patterns[i]);
  return values;
}

/** Decodes `length` elements, whole blocks of them, from `bytes[at]` on to `values[to]` and on. */
export function decodeBlocks(
  bytes: Uint8Array,
  at: number,
  storage: BlockStorage,
  values: Float32Array,
  to: number,
  length: number,
): void {
  const { blockLength, blockBytes } = STORAGE_FORMATS[storage];
  const { decode } = BLOCK_CODECS[storage];
  for (let i = 0, from = at; i < length; i += blockLength, from += blockBytes) {
    decode(bytes, from, values, to + i);
  }
}

function encodeBlocks(values: Float32Array, storage: BlockStorage): Uint8Array {
  const { blockLength, blockBytes } = STORAGE_FORMATS[storage];
  const { encode } = BLOCK_CODECS[storage];
  const bytes = new Uint8Array(storageByteLength(storage, values.length));
  for (let from = 0, at = 0; from < values.length; from += blockLength, at += blockBytes) {
    // With all bits set, the float16 scales are NaN, in every type.
    if (isFinite(values, from, blockLength)) encode(values, from, bytes, at);
    else bytes.fill(0xff, at, at + blockBytes);
  }
  return bytes;
}

function isFinite(values: Float32Array, from: number, length: number): boolean {
  for (let i = from; i < from + length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
}
