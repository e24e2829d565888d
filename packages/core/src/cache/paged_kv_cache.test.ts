import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { assignStorage } from '../ops/assign_storage.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { describeOnBackends } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { PagedKVCache } from './paged_kv_cache.ts';
import type { PagedKVCacheOptions } from './paged_kv_cache.ts';

const SIZES = { numLayers: 2, numBlocks: 4, blockSize: 8, numKvHeads: 2, headSize: 16 };

function makeCache(options: Partial<PagedKVCacheOptions> = {}): PagedKVCache {
  return new PagedKVCache({ ...SIZES, ...options });
}

/** Fills each layer's keys with 100·layer + block, its values with the negative of that. */
function fillBlocks(cache: PagedKVCache): void {
  for (let layer = 0; layer < cache.numLayers; layer++) {
    const { keyCache, valueCache } = cache.layer(layer);
    const perBlock = keyCache.size / cache.numBlocks;
    const keys = Float32Array.from(
      { length: keyCache.size },
      (_, i) => 100 * layer + Math.floor(i / perBlock),
    );
    assignStorage(keyCache, keys);
    assignStorage(
      valueCache,
      keys.map((key) => -key),
    );
  }
}

/** Reads what {@link fillBlocks} wrote to each block of a layer; every element of the block must have it. */
function blocksOf(cache: PagedKVCache, layer: number): number[] {
  const { keyCache, valueCache } = cache.layer(layer);
  const [keys, values] = [keyCache.dataSync(), valueCache.dataSync()];
  const perBlock = keyCache.size / cache.numBlocks;
  return Array.from({ length: cache.numBlocks }, (_, block) => {
    const held = new Set<number>();
    for (let i = block * perBlock; i < (block + 1) * perBlock; i++) held.add(keys[i]).add(-values[i]);
    expect(held.size).toBe(1);
    return Math.max(...held);
  });
}

const disposed = (method: string): string =>
  `[PagedKVCache] ${method}: expected a live cache, received a disposed one`;

describeOnBackends('PagedKVCache', () => {
  test.each([
    ['flash', 'float32', [4, 8, 2, 16], [4, 8, 2, 16], 4],
    ['vllm', 'float32', [4, 2, 4, 8, 4], [4, 2, 16, 8], 4],
    ['vllm', 'bfloat16', [4, 2, 2, 8, 8], [4, 2, 16, 8], 2],
    ['flash', 'float16', [4, 8, 2, 16], [4, 8, 2, 16], 2],
  ] as const)('has the shapes of layout %s in %s', (layout, storage, keyShape, valueShape, bytes) => {
    using cache = makeCache({ layout, storage });
    for (let layer = 0; layer < 2; layer++) {
      const { keyCache, valueCache } = cache.layer(layer);
      expect(keyCache.shape).toEqual(keyShape);
      expect(valueCache.shape).toEqual(valueShape);
      expect([storageOf(keyCache), storageOf(valueCache)]).toEqual([storage, storage]);
    }
    expect(cache.byteLength).toBe(2 * 2 * 4 * 8 * 2 * 16 * bytes);
  });

  test('survives tf.tidy, and leaks nothing after disposal', () => {
    const before = [tf.memory().numTensors, tf.engine().backend.numDataIds()];
    tf.engine().startScope();
    const cache = makeCache();
    tf.engine().endScope();
    expect(cache.layer(1).keyCache.isDisposed).toBe(false);
    expect(tf.memory().numTensors).toBe(before[0] + 4);
    cache.dispose();
    cache.dispose();
    expect([tf.memory().numTensors, tf.engine().backend.numDataIds()]).toEqual(before);
    cache[Symbol.dispose]();
  });

  test('copies blocks in every layer', () => {
    using cache = makeCache();
    fillBlocks(cache);
    cache.apply(new Int32Array(0));
    cache.apply(Int32Array.of(0, 3, 1, 2));
    expect(blocksOf(cache, 0)).toEqual([0, 1, 1, 0]);
    expect(blocksOf(cache, 1)).toEqual([100, 101, 101, 100]);
  });

  test.each(['flash', 'vllm'] as const)('swaps blocks of every layer out and in, layout %s', (layout) => {
    using cache = makeCache({ layout, storage: 'bfloat16' });
    using host = makeCache({ layout, storage: 'bfloat16', numBlocks: 2, memory: 'host' });
    fillBlocks(cache);
    cache.swapOut(host, Int32Array.of(3, 0, 2, 1));
    expect([blocksOf(host, 0), blocksOf(host, 1)]).toEqual([
      [3, 2],
      [103, 102],
    ]);
    cache.swapIn(host, Int32Array.of(0, 1));
    expect([blocksOf(cache, 0), blocksOf(cache, 1)]).toEqual([
      [0, 3, 2, 3],
      [100, 103, 102, 103],
    ]);
  });

  test('stays on its backend', async () => {
    using cache = makeCache();
    const backendName = tf.getBackend();
    tf.registerBackend('elsewhere', () => tf.engine().findBackendFactory('cpu')());
    tf.copyRegisteredKernels('cpu', 'elsewhere');
    await tf.setBackend('elsewhere');
    try {
      expectAttentionError(
        () => tf.abs(cache.layer(0).keyCache),
        'ERR_UNSUPPORTED',
        /a KV cache tensor stays on/,
      );
    } finally {
      await tf.setBackend(backendName);
      tf.removeBackend('elsewhere');
    }
  });

  test.each<[string, 'ERR_RANGE' | 'ERR_UNSUPPORTED', Partial<PagedKVCacheOptions>, string]>([
    ['numLayers', 'ERR_RANGE', { numLayers: 0 }, 'numLayers: expected an integer >= 1, received 0'],
    ['numKvHeads', 'ERR_RANGE', { numKvHeads: 1.5 }, 'numKvHeads: expected an integer >= 1, received 1.5'],
    [
      'numBlocks',
      'ERR_RANGE',
      { numBlocks: 2 ** 28 },
      'numBlocks: expected an integer >= 1 and <= 268435455, received 268435456',
    ],
    [
      'storage',
      'ERR_RANGE',
      { storage: 'int8' as 'float16' },
      'storage: expected one of "float32", "float16", "bfloat16", received "int8"',
    ],
    [
      'layout',
      'ERR_RANGE',
      { layout: 'rows' as 'flash' },
      'layout: expected one of "flash", "vllm", received "rows"',
    ],
    [
      'memory',
      'ERR_RANGE',
      { memory: 'disk' as 'host' },
      'memory: expected one of "device", "host", received "disk"',
    ],
    [
      'blockSize',
      'ERR_UNSUPPORTED',
      { blockSize: 24 },
      'blockSize: expected a block size of 8, 16, 32, 64, 128, 256 in layout flash, received 24',
    ],
    [
      'headSize',
      'ERR_UNSUPPORTED',
      { headSize: 100 },
      'headSize: expected a head size that is a multiple of 8 up to 256, or 512, received 100',
    ],
    [
      'kind of headSize',
      'ERR_UNSUPPORTED',
      { headSize: '64' as unknown as number },
      'headSize: expected a head size that is a multiple of 8 up to 256, or 512, received "64"',
    ],
    [
      'kind of blockSize',
      'ERR_UNSUPPORTED',
      { blockSize: '8' as unknown as number },
      'blockSize: expected a block size of 8, 16, 32, 64, 128, 256 in layout flash, received "8"',
    ],
    [
      'name',
      'ERR_UNSUPPORTED',
      { layers: 2 } as Partial<PagedKVCacheOptions>,
      'options: expected only numLayers, numBlocks, blockSize, numKvHeads, headSize, storage, layout, memory, ' +
        'received "layers"',
    ],
  ])('rejects a wrong %s', (_title, code, options, message) => {
    const before = tf.memory().numTensors;
    expectAttentionError(() => makeCache(options), code, `[PagedKVCache] ${message}`);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('rejects wrong layers, and use after disposal', () => {
    const cache = makeCache();
    using host = makeCache({ numLayers: 1 });
    expectAttentionError(
      () => cache.layer(2),
      'ERR_RANGE',
      '[PagedKVCache] layer: expected an integer >= 0 and <= 1, received 2',
    );
    expectAttentionError(
      () => cache.swapOut(cache, Int32Array.of(0, 1)),
      'ERR_RANGE',
      '[PagedKVCache] hostCache: expected another cache, received the cache itself',
    );
    const layers = '[PagedKVCache] hostCache.numLayers: expected 2 to match this cache, received 1';
    expectAttentionError(() => cache.swapOut(host, Int32Array.of(0, 0)), 'ERR_SHAPE', layers);
    expectAttentionError(
      () => cache.swapIn(undefined as unknown as PagedKVCache, Int32Array.of(0, 0)),
      'ERR_DTYPE',
      '[PagedKVCache] hostCache: expected a PagedKVCache, received undefined',
    );
    expectAttentionError(
      () => cache.apply([0, 1] as unknown as Int32Array),
      'ERR_DTYPE',
      '[PagedKVCache.apply] pairs: expected an Int32Array of source, destination, source, …, received [0, 1]',
    );
    using elsewhere = makeCache({ numBlocks: 2 });
    expectAttentionError(
      () => cache.swapOut(elsewhere, Int32Array.of(3, 2)),
      'ERR_RANGE',
      '[PagedKVCache.swapOut] pairs[1]: expected a block >= 0 and < 2, received 2',
    );
    expectAttentionError(
      () => cache.swapIn(elsewhere, Int32Array.of(2, 3)),
      'ERR_RANGE',
      '[PagedKVCache.swapIn] pairs[0]: expected a block >= 0 and < 2, received 2',
    );
    expectAttentionError(
      () => new PagedKVCache(undefined as unknown as PagedKVCacheOptions),
      'ERR_DTYPE',
      '[PagedKVCache] options: expected an object, received undefined',
    );
    cache.dispose();
    expectAttentionError(() => cache.layer(0), 'ERR_DISPOSED', disposed('layer'));
    expectAttentionError(() => cache.apply(new Int32Array(0)), 'ERR_DISPOSED', disposed('apply'));
    expectAttentionError(() => cache.swapOut(host, new Int32Array(0)), 'ERR_DISPOSED', disposed('swapOut'));
    expectAttentionError(() => host.swapIn(cache, new Int32Array(0)), 'ERR_DISPOSED', disposed('swapIn'));
  });
});
