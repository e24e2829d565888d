import { Checks } from '@attention-js/core';
import { parseJson } from '../parse_json.ts';
import { summarize } from '../summarize.ts';
import { findDuplicateKey } from './duplicate_keys.ts';

/** Bytes per element of each dtype that a safetensors file may contain. */
const DTYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
};

const METADATA = '__metadata__';
const ENTRY_KEYS = ['dtype', 'shape', 'data_offsets'];

/** One tensor of a safetensors file. */
export interface TensorEntry {
  /** As written in the file: `F32`, `BF16`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Offset of its first byte in the file. */
  readonly position: number;
  readonly byteLength: number;
}

const checks = new Checks('loadModel');

/**
 * Parses a safetensors header without trusting it.
 *
 * @param text The header's JSON.
 * @param dataStart Position of the first data byte in the file.
 * @param fileBytes Length of the file.
 * @param file Name of the file, for errors.
 * @returns The file's tensors by name.
 * @throws AttentionError `ERR_DTYPE` when it is no JSON object of tensor entries, `ERR_SHAPE` when a shape is none or
 * does not fit its bytes, `ERR_RANGE` when offsets leave the file, overlap, or leave bytes to no tensor.
 * @see https://huggingface.co/docs/safetensors: the format, and its rule that the data has no holes.
 */
export function parseHeader(
  text: string,
  dataStart: number,
  fileBytes: number,
  file: string,
): Map<string, TensorEntry> {
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(parseObject(text, file))) {
    if (name === METADATA) checkMetadata(value, file);
    else entries.set(name, parseEntry(value, dataStart, fileBytes, `${file}: tensor ${summarize(name)}`));
  }
  checkCoverage(entries, dataStart, fileBytes, file);
  return entries;
}

function parseObject(text: string, file: string): Record<string, unknown> {
  const parsed = parseJson(text, `${file}: header`);
  checks.expect(isObject(parsed), 'ERR_DTYPE', `${file}: header`, 'a JSON object', summarize(parsed));
  const duplicate = findDuplicateKey(text);
  checks.expect(
    duplicate === undefined,
    'ERR_RANGE',
    `${file}: header`,
    'each name once',
    `${summarize(duplicate)} twice`,
  );
  const poisoned = Object.hasOwn(parsed as object, '__proto__');
  checks.expect(!poisoned, 'ERR_RANGE', `${file}: header`, 'names of tensors', '"__proto__"');
  return parsed as Record<string, unknown>;
}

function checkMetadata(value: unknown, file: string): void {
  const valid = isObject(value) && Object.values(value).every((item) => typeof item === 'string');
  checks.expect(valid, 'ERR_DTYPE', `${file}: ${METADATA}`, 'an object of strings', summarize(value));
}

function parseEntry(value: unknown, dataStart: number, fileBytes: number, where: string): TensorEntry {
  const keys = isObject(value) ? Object.keys(value) : [];
  const complete = keys.length === ENTRY_KEYS.length && ENTRY_KEYS.every((key) => keys.includes(key));
  checks.expect(
    complete,
    'ERR_DTYPE',
    where,
    `an object with ${ENTRY_KEYS.join(', ')}`,
    summarize(isObject(value) ? keys : value),
  );
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;

  const known = typeof dtype === 'string' && Object.hasOwn(DTYPE_BYTES, dtype);
  checks.expect(
    known,
    'ERR_DTYPE',
    `${where}: dtype`,
    `one of ${Object.keys(DTYPE_BYTES).join(', ')}`,
    summarize(dtype),
  );
  checks.expect(isSizes(shape), 'ERR_SHAPE', `${where}: shape`, 'a list of sizes', summarize(shape));
  const pair = isSizes(offsets) && offsets.length === 2 && offsets[0] <= offsets[1];
  const within = pair && dataStart + offsets[1] <= fileBytes;
  const expected = `begin <= end <= ${fileBytes - dataStart}`;
  checks.expect(within, 'ERR_RANGE', `${where}: data_offsets`, expected, summarize(offsets));

  const [begin, end] = offsets as number[];
  const bytes = (shape as number[]).reduce((product, size) => product * size, DTYPE_BYTES[dtype as string]);
  checks.expect(
    end - begin === bytes,
    'ERR_SHAPE',
    where,
    `${bytes} bytes for ${dtype as string} of shape ${summarize(shape)}`,
    end - begin,
  );
  return { dtype: dtype as string, shape: shape as number[], position: dataStart + begin, byteLength: bytes };
}

/** Every data byte belongs to exactly one tensor. */
function checkCoverage(
  entries: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileBytes: number,
  file: string,
): void {
  let position = dataStart;
  for (const [name, entry] of [...entries].toSorted(
    ([, a], [, b]) => a.position - b.position || a.byteLength - b.byteLength,
  )) {
    checks.expect(
      entry.position === position,
      'ERR_RANGE',
      `${file}: tensor ${summarize(name)}: data_offsets`,
      `to begin at ${position - dataStart}, where the tensor before ends`,
      entry.position - dataStart,
    );
    position += entry.byteLength;
  }
  const [used, present] = [position - dataStart, fileBytes - dataStart];
  checks.expect(
    used === present,
    'ERR_RANGE',
    file,
    `${used} bytes of tensors as its header says`,
    `${present} bytes`,
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
