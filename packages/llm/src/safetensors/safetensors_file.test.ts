import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { AttentionErrorCode } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { expectRejection } from '../testing/expect_rejection.ts';
import { inTemporaryFolder } from '../testing/temporary_folder.ts';
import { packSafetensors, safetensorsBytes } from '../testing/write_safetensors.ts';
import { SafetensorsFile } from './safetensors_file.ts';
import type { TensorEntry } from './header.ts';

const FILE = 'model.safetensors';

function open(bytes: Uint8Array): Promise<Record<string, { shape: readonly number[]; bytes: number[] }>> {
  return inTemporaryFolder({ [FILE]: bytes }, async (directory) => {
    const file = await SafetensorsFile.open(join(directory, FILE));
    try {
      const tensors: Record<string, { shape: readonly number[]; bytes: number[] }> = {};
      for (const [name, entry] of file.entries) {
        const target = new Uint8Array(entry.byteLength);
        await file.read(entry, target);
        tensors[name] = { shape: entry.shape, bytes: [...target] };
      }
      return tensors;
    } finally {
      await file.close();
    }
  });
}

const eight = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

test('reads every tensor by its range, in any order', async () => {
  const header = {
    second: { dtype: 'F16', shape: [2], data_offsets: [4, 8] },
    __metadata__: { format: 'pt' },
    empty: { dtype: 'F32', shape: [0, 3], data_offsets: [4, 4] },
    first: { dtype: 'F32', shape: [], data_offsets: [0, 4] },
  };
  expect(await open(safetensorsBytes(header, eight))).toEqual({
    first: { shape: [], bytes: [1, 2, 3, 4] },
    empty: { shape: [0, 3], bytes: [] },
    second: { shape: [2], bytes: [5, 6, 7, 8] },
  });
});

test('reads a range of a file without the bytes around it', async () => {
  const bytes = packSafetensors({
    a: { dtype: 'F32', shape: [1], bytes: eight.slice(0, 4) },
    b: { dtype: 'BF16', shape: [2], bytes: eight.slice(4) },
  });
  await inTemporaryFolder({ [FILE]: bytes }, async (directory) => {
    const file = await SafetensorsFile.open(join(directory, FILE));
    const entry = file.entries.get('b') as TensorEntry;
    const target = new Uint8Array(8).subarray(2, 6);
    await file.read(entry, target);
    expect([...new Uint8Array(target.buffer)]).toEqual([0, 0, 5, 6, 7, 8, 0, 0]);
    await file.close();
  });
});

const one = (entry: object) => safetensorsBytes({ x: entry }, eight);
const whole = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

const faults: [string, Uint8Array, AttentionErrorCode, string][] = [
  ['an empty file', new Uint8Array(0), 'ERR_RANGE', 'at least 8 bytes, received 0'],
  [
    'a file that ends in the header',
    safetensorsBytes('{}', new Uint8Array(0), 3n),
    'ERR_RANGE',
    'header length: expected at most 2',
  ],
  [
    'a huge header length',
    safetensorsBytes('{}', eight, 2n ** 64n - 1n),
    'ERR_RANGE',
    'header length: expected at most 10',
  ],
  [
    'bytes that are no UTF-8',
    safetensorsBytes({}, new Uint8Array(0)).map((b, i) => (i < 8 ? b : 255)),
    'ERR_DTYPE',
    'UTF-8',
  ],
  ['no JSON', safetensorsBytes('{"x": ', eight), 'ERR_DTYPE', 'header: expected JSON'],
  ['JSON that is no object', safetensorsBytes('[1]', eight), 'ERR_DTYPE', 'a JSON object'],
  ['null', safetensorsBytes('null', eight), 'ERR_DTYPE', 'a JSON object'],
  [
    'a name twice',
    safetensorsBytes(`{"x": ${JSON.stringify(whole)}, "\\u0078": ${JSON.stringify(whole)}}`, eight),
    'ERR_RANGE',
    'each name once, received "x" twice',
  ],
  [
    'a field twice',
    safetensorsBytes('{"x": {"dtype": "F32", "shape": [9], "shape": [2], "data_offsets": [0, 8]}}', eight),
    'ERR_RANGE',
    'received "shape" twice',
  ],
  [
    '__proto__',
    safetensorsBytes(`{"__proto__": ${JSON.stringify(whole)}}`, eight),
    'ERR_RANGE',
    'received "__proto__"',
  ],
  [
    '__proto__ in an entry',
    safetensorsBytes('{"x": {"__proto__": {"dtype": "F32"}, "shape": [2], "data_offsets": [0, 8]}}', eight),
    'ERR_DTYPE',
    'an object with dtype, shape, data_offsets',
  ],
  [
    'metadata that is no object of strings',
    safetensorsBytes({ __metadata__: { a: 1 }, x: whole }, eight),
    'ERR_DTYPE',
    '__metadata__',
  ],
  [
    'an entry that is no object',
    safetensorsBytes({ x: 7 }, eight),
    'ERR_DTYPE',
    'tensor "x": expected an object',
  ],
  ['an unknown dtype', one({ ...whole, dtype: 'F33' }), 'ERR_DTYPE', 'tensor "x": dtype: expected one of'],
  ['a dtype from the prototype', one({ ...whole, dtype: 'constructor' }), 'ERR_DTYPE', 'dtype'],
  [
    'a dtype of another size',
    one({ ...whole, dtype: 'F16' }),
    'ERR_SHAPE',
    '4 bytes for F16 of shape [2], received 8',
  ],
  ['a negative shape', one({ ...whole, shape: [-1, -2] }), 'ERR_SHAPE', 'received [-1, -2]'],
  ['a fractional shape', one({ ...whole, shape: [2.5] }), 'ERR_SHAPE', 'a list of sizes'],
  ['a shape that is no list', one({ ...whole, shape: 2 }), 'ERR_SHAPE', 'a list of sizes'],
  [
    'a shape whose product overflows',
    one({ ...whole, shape: [2 ** 40, 2 ** 40] }),
    'ERR_SHAPE',
    'bytes for F32',
  ],
  ['offsets that are none', one({ ...whole, data_offsets: ['0', '8'] }), 'ERR_RANGE', 'data_offsets'],
  ['three offsets', one({ ...whole, data_offsets: [0, 8, 8] }), 'ERR_RANGE', 'data_offsets'],
  ['an end before the begin', one({ ...whole, data_offsets: [8, 0] }), 'ERR_RANGE', 'begin <= end <= 8'],
  ['a negative begin', one({ ...whole, data_offsets: [-8, 0] }), 'ERR_RANGE', 'begin <= end <= 8'],
  [
    'an end after the file',
    one({ ...whole, shape: [3], data_offsets: [0, 12] }),
    'ERR_RANGE',
    'begin <= end <= 8',
  ],
  [
    'tensors that overlap',
    safetensorsBytes({ x: whole, y: { dtype: 'F32', shape: [1], data_offsets: [4, 8] } }, eight),
    'ERR_RANGE',
    'tensor "y": data_offsets: expected to begin at 8',
  ],
  [
    'tensors at the same place',
    safetensorsBytes({ x: whole, y: whole }, eight),
    'ERR_RANGE',
    'to begin at 8, where the tensor before ends, received 0',
  ],
  ['a hole', one({ dtype: 'F32', shape: [1], data_offsets: [4, 8] }), 'ERR_RANGE', 'to begin at 0'],
  [
    'bytes after the last tensor',
    one({ dtype: 'F32', shape: [1], data_offsets: [0, 4] }),
    'ERR_RANGE',
    '4 bytes of tensors',
  ],
];

const deep = '['.repeat(200_000) + ']'.repeat(200_000);
const long = 'a\\n'.repeat(3_000_000);
const json = JSON.stringify(whole);

const oversized: [string, string, AttentionErrorCode][] = [
  ['an entry nested deeply', `{"x": ${deep}}`, 'ERR_DTYPE'],
  ['a shape nested deeply', `{"x": {"dtype": "F32", "shape": ${deep}, "data_offsets": [0, 8]}}`, 'ERR_DTYPE'],
  [
    'offsets nested deeply',
    `{"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, ${deep}]}}`,
    'ERR_DTYPE',
  ],
  ['metadata nested deeply', `{"__metadata__": ${deep}, "x": ${json}}`, 'ERR_DTYPE'],
  ['a long name twice', `{"${long}": ${json}, "${long}": ${json}}`, 'ERR_RANGE'],
  ['a long dtype', `{"x": {"dtype": "${long}", "shape": [2], "data_offsets": [0, 8]}}`, 'ERR_DTYPE'],
  ['a long name without an entry', `{"${long}": 7}`, 'ERR_DTYPE'],
  [
    'a shape of many sizes',
    `{"x": {"dtype": "F32", "shape": [${Array(200_000).fill(3).join()}], "data_offsets": [0, 8]}}`,
    'ERR_SHAPE',
  ],
];

test('accepts keys with escapes, braces and colons', async () => {
  const header = `{"a:{\\"": ${json.replace('"dtype"', ' "dtype" ')}, "__metadata__": {"dtype": "{:}\\\\"}}`;
  expect(await open(safetensorsBytes(header, eight))).toEqual({
    'a:{"': { shape: [2], bytes: [...eight] },
  });
});

test('notices a file that shrinks while it is open', async () => {
  const bytes = packSafetensors({ x: { dtype: 'F32', shape: [2], bytes: eight } });
  await inTemporaryFolder({ [FILE]: bytes }, async (directory) => {
    const file = await SafetensorsFile.open(join(directory, FILE));
    await truncate(join(directory, FILE), bytes.length - 3);
    const entry = file.entries.get('x') as TensorEntry;
    const reading = file.read(entry, new Uint8Array(entry.byteLength));
    await expectRejection(reading, 'ERR_RANGE', `received ${bytes.length - 3} bytes`);
    await file.close();
  });
});

describe('refuses', () => {
  test.each(oversized)('%s, with a short message', async (_title, header, code) => {
    const reason: unknown = await open(safetensorsBytes(header, eight)).catch((error: unknown) => error);
    expect(reason).toMatchObject({ name: 'AttentionError', code });
    expect((reason as Error).message.length).toBeLessThan(500);
  });

  test.each(faults)('%s', async (_title, bytes, code, message) => {
    await expectRejection(open(bytes), code, message);
  });

  test('a valid file truncated anywhere', async () => {
    const bytes = packSafetensors({ x: { dtype: 'F32', shape: [2], bytes: eight } });
    for (let length = 0; length < bytes.length; length++) {
      await expectRejection(open(bytes.slice(0, length)), 'ERR_RANGE', FILE);
    }
  });

  test('or reads a valid file with changed bytes, but never fails otherwise', async () => {
    const valid = packSafetensors({
      x: { dtype: 'F32', shape: [1], bytes: eight.slice(0, 4) },
      y: { dtype: 'BF16', shape: [1, 2], bytes: eight.slice(4) },
    });
    const change = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
        const bytes = valid.slice();
        for (const [position, value] of changes) bytes[position] = value;
        const outcome = await open(bytes).then(
          () => 'read',
          (error: Error) => error.name,
        );
        expect(['read', 'AttentionError']).toContain(outcome);
      }),
      { numRuns: 200 },
    );
  });
});
