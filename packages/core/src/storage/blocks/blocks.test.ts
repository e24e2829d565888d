import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { relativeError } from '../../testing/compare.ts';
import { Random } from '../../testing/random.ts';
import { decodeStorageBytes, encodeStorageBytes } from '../storage_bytes.ts';
import { BLOCK_STORAGE_TYPES, STORAGE_FORMATS } from '../storage_types.ts';
import type { BlockStorage } from '../storage_types.ts';

/** Rows of odd distributions, quantized and decoded by GGML's own library: fixtures/make_ggml_blocks.py makes the file. */
interface Reference {
  /** Float32, base64. */
  values: string;
  types: Record<BlockStorage, { bytes: string; decodedSha256: string; error: number }>;
}

const reference = JSON.parse(
  readFileSync(new URL('../../../fixtures/ggml_blocks.json', import.meta.url), 'utf8'),
) as Reference;
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const values = new Float32Array(bytesOf(reference.values).buffer);

describe.each(BLOCK_STORAGE_TYPES)('%s', (storage) => {
  const { bytes, decodedSha256, error } = reference.types[storage];

  test("decodes GGML's bytes to the very floats that GGML does", () => {
    const decoded = decodeStorageBytes(bytesOf(bytes), storage);
    expect(createHash('sha256').update(new Uint8Array(decoded.buffer)).digest('hex')).toBe(decodedSha256);
  });

  test('quantizes as well as GGML, and nearly always to the same bytes', () => {
    const ours = encodeStorageBytes(values, storage);
    const theirs = bytesOf(bytes);
    expect(ours).toHaveLength(theirs.length);
    const same = ours.filter((byte, i) => byte === theirs[i]).length / ours.length;
    expect(same).toBeGreaterThan(0.98);
    expect(relativeError(decodeStorageBytes(ours, storage), values)).toBeLessThanOrEqual(error * 1.001);
  });

  test('one block with a NaN or an infinity decodes to NaN, its neighbours to numbers', () => {
    const { blockLength } = STORAGE_FORMATS[storage];
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const x = new Random(1).normal(3 * blockLength);
      x[blockLength + 3] = bad;
      const decoded = decodeStorageBytes(encodeStorageBytes(x, storage), storage);
      decoded.forEach((value, i) => expect(Number.isNaN(value)).toBe(Math.floor(i / blockLength) === 1));
    }
  });
});
