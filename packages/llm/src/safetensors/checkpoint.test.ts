import type { AttentionErrorCode } from '@attention-js/core';
import { expect, test } from '@jest/globals';
import { expectRejection } from '../testing/expect_rejection.ts';
import { inTemporaryFolder } from '../testing/temporary_folder.ts';
import { packSafetensors } from '../testing/write_safetensors.ts';
import { Checkpoint } from './checkpoint.ts';

const tensor = (value: number) => ({ dtype: 'F16', shape: [1], bytes: Uint8Array.of(value, value) });
const a = packSafetensors({ a: tensor(1), b: tensor(2) });
const c = packSafetensors({ c: tensor(3) });

function withIndex(index: unknown): Record<string, string | Uint8Array> {
  const text = typeof index === 'string' ? index : JSON.stringify(index);
  return { 'a.safetensors': a, 'c.safetensors': c, 'model.safetensors.index.json': text };
}

async function contents(files: Record<string, string | Uint8Array>): Promise<Record<string, number[]>> {
  return inTemporaryFolder(files, async (directory) => {
    const checkpoint = await Checkpoint.open(directory);
    const found: Record<string, number[]> = {};
    for (const name of checkpoint.names) {
      const target = new Uint8Array(checkpoint.entry(name)?.byteLength ?? 0);
      await checkpoint.read(name, target);
      found[name] = [...target];
    }
    expect(checkpoint.entry('none')).toBeUndefined();
    expect(checkpoint.byteLength).toBe(2 * Object.keys(found).length);
    await checkpoint.close();
    return found;
  });
}

test('opens a single file', async () => {
  expect(await contents({ 'model.safetensors': a })).toEqual({ a: [1, 1], b: [2, 2] });
});

test('opens the files of an index', async () => {
  const index = { weight_map: { a: 'a.safetensors', c: 'c.safetensors', b: 'a.safetensors' } };
  expect(await contents(withIndex(index))).toEqual({ a: [1, 1], b: [2, 2], c: [3, 3] });
});

test('reads only the tensors that the index lists, from the file it names', async () => {
  const other = packSafetensors({ a: tensor(5), c: tensor(3) });
  const files = {
    ...withIndex({ weight_map: { a: 'a.safetensors', c: 'c.safetensors' } }),
    'c.safetensors': other,
  };
  expect(await contents(files)).toEqual({ a: [1, 1], c: [3, 3] });
});

test('prefers a single file to an index, as transformers does', async () => {
  const files = { ...withIndex({ weight_map: { d: 'gone.safetensors' } }), 'model.safetensors': c };
  expect(await contents(files)).toEqual({ c: [3, 3] });
});

const faults: [string, Record<string, string | Uint8Array>, AttentionErrorCode, string][] = [
  ['a folder without weights', {}, 'ERR_RANGE', 'a file model.safetensors, received none'],
  [
    'a pointer in place of the weights',
    {
      'model.safetensors': `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 9\n`,
    },
    'ERR_RANGE',
    'model.safetensors: expected a safetensors file, received a Git LFS pointer; run "git lfs pull"',
  ],
  [
    'a pointer in place of the index',
    withIndex('version https://git-lfs.github.com/spec/v1\n'),
    'ERR_DTYPE',
    'expected JSON, received a Git LFS pointer; run "git lfs pull"',
  ],
  ['an index that is no JSON', withIndex('{'), 'ERR_DTYPE', 'model.safetensors.index.json: expected JSON'],
  ['an index that is null', withIndex('null'), 'ERR_DTYPE', 'weight_map'],
  ['an index without a map', withIndex({ weight_map: [1] }), 'ERR_DTYPE', 'weight_map'],
  ['a missing file', withIndex({ weight_map: { a: 'd.safetensors' } }), 'ERR_RANGE', 'a file d.safetensors'],
  [
    'a tensor elsewhere',
    withIndex({ weight_map: { a: 'a.safetensors', b: 'c.safetensors' } }),
    'ERR_RANGE',
    'it in c.safetensors',
  ],
  ['a tensor nowhere', withIndex({ weight_map: { d: 'a.safetensors' } }), 'ERR_RANGE', 'received none'],
  [
    'a path out of the folder',
    withIndex({ weight_map: { a: '../a.safetensors' } }),
    'ERR_RANGE',
    'in the folder',
  ],
  ['an absolute path', withIndex({ weight_map: { a: '/etc/a.safetensors' } }), 'ERR_RANGE', 'in the folder'],
];

test.each(faults)('refuses %s', async (_title, files, code, message) => {
  await expectRejection(contents(files), code, message);
});
