import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, jest, test } from '@jest/globals';
import './testing/backends.ts';
import * as core from './index.ts';
import { sharedState } from './shared_state.ts';
import { expectAttentionError } from './testing/compare.ts';
import { VERSION } from './version.ts';

/** Loads this package again, like a second installed copy. */
async function secondCopy(): Promise<typeof core> {
  jest.resetModules();
  return import('./index.ts');
}

afterEach(() => void jest.resetModules());

test('the version is that of package.json', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as object;
  expect(manifest).toMatchObject({ name: '@attention-js/core', version: VERSION });
});

test('copies with the same format share the state of the first one', () => {
  const copy = { name: '@attention-js/one', version: '1.0.0', format: 1, url: 'file:///a' };
  const first = sharedState(copy, () => ({ owner: 'a' }));
  const second = sharedState({ ...copy, version: '1.0.1', url: 'file:///b' }, () => ({ owner: 'b' }));
  expect([first.isFirst, second.isFirst]).toEqual([true, false]);
  expect(second.state).toBe(first.state);
});

test('a copy of another format names both versions and places', () => {
  const copy = { name: '@attention-js/two', version: '1.0.0', format: 1, url: 'file:///a/index.js' };
  sharedState(copy, () => ({}));
  expectAttentionError(
    () => sharedState({ ...copy, version: '2.0.0', format: 2, url: 'file:///b/index.js' }, () => ({})),
    'ERR_UNSUPPORTED',
    '[@attention-js/two] expected one version in a process, received version 1.0.0 (format 1) at file:///a/index.js and ' +
      'version 2.0.0 (format 2) at file:///b/index.js; install one of them (npm ls @attention-js/two shows who asks for which)',
  );
});

test('two copies of core share storage types, caches and ops', async () => {
  await tf.setBackend('cpu');
  const other = await secondCopy();
  expect(other.siluAndMul).not.toBe(core.siluAndMul);

  const half = core.castStorage(tf.tensor1d([1 / 3, 2]), 'bfloat16');
  expect(other.storageOf(half)).toBe('bfloat16');
  expect([other.siluAndMul(half), core.siluAndMul(half)].map((y) => core.storageOf(y))).toEqual([
    'bfloat16',
    'bfloat16',
  ]);

  const sizes = { numLayers: 1, numBlocks: 2, blockSize: 8, numKvHeads: 1, headSize: 8 };
  const cache = new core.PagedKVCache(sizes);
  const rows = tf.ones([1, 1, 8]);
  const { keyCache, valueCache } = cache.layer(0);
  other.reshapeAndCache(rows, rows, keyCache, valueCache, tf.tensor1d([3], 'int32'));
  expect(tf.sum(keyCache).dataSync()[0]).toBe(8);
  cache.dispose();

  expectAttentionError(
    () => core.defineOp({ name: 'Linear', outputs: () => [] }),
    'ERR_UNSUPPORTED',
    /"Linear", an op of @attention-js\/core$/,
  );
});
