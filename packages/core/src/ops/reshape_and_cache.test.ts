import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { roundToStorage } from '../storage/half_precision.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { checkBounds, describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { cacheIndex, cacheShapes } from '../testing/cache_index.ts';
import type { CacheSizes } from '../testing/cache_index.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { assignStorage } from './assign_storage.ts';
import { reshapeAndCache } from './reshape_and_cache.ts';

const layouts = ['flash', 'vllm'] as const;

function slotsOf(...slots: number[]): tf.Tensor {
  return tf.tensor1d(slots, 'int32');
}

/** Key and value caches that hold NaN throughout. */
function poisonedCaches(sizes: CacheSizes): { key: tf.Tensor; value: tf.Tensor } {
  const make = (shape: number[]) => {
    const cache = zerosWithStorage(shape, sizes.storage);
    assignStorage(cache, new Float32Array(cache.size).fill(Number.NaN));
    return cache;
  };
  const shapes = cacheShapes(sizes);
  return { key: make(shapes.key), value: make(shapes.value) };
}

describeOnBackends('reshapeAndCache', (backendName) => {
  describe.each(layouts)('in layout %s', (layout) => {
    const cases: [ElementStorage, ElementStorage][] = ELEMENT_STORAGE_TYPES.map((storage) => [
      storage,
      storage,
    ]);
    cases.push(['float32', 'float16'], ['float32', 'bfloat16']);

    test.each(cases)('stores %s keys and values in a %s cache, and nothing else', (storage, cacheStorage) => {
      const sizes: CacheSizes = {
        layout,
        numBlocks: 5,
        blockSize: 8,
        kvHeads: 3,
        headSize: 24,
        storage: cacheStorage,
      };
      const random = new Random(1);
      const slots = Int32Array.from([7, 39, -1, 0, 8, 21, -1, 31, 20]);
      const key = randomTensor(random, [slots.length, 3, 24], storage);
      const value = randomTensor(random, [slots.length, 3, 24], storage);
      const caches = poisonedCaches(sizes);
      const expectedKeys = new Float32Array(caches.key.size).fill(Number.NaN);
      const expectedValues = expectedKeys.slice();
      slots.forEach((slot, token) => {
        if (slot === -1) return;
        for (let head = 0; head < 3; head++) {
          for (let d = 0; d < 24; d++) {
            const to = cacheIndex(sizes, slot, head, d);
            const from = (token * 3 + head) * 24 + d;
            expectedKeys[to.key] = roundToStorage(key.values[from], cacheStorage);
            expectedValues[to.value] = roundToStorage(value.values[from], cacheStorage);
          }
        }
      });

      reshapeAndCache(key.tensor, value.tensor, caches.key, caches.value, tf.tensor1d(slots, 'int32'));
      expect(caches.key.dataSync()).toEqual(expectedKeys);
      expect(caches.value.dataSync()).toEqual(expectedValues);
      expect(key.tensor.dataSync()).toEqual(key.values);
    });

    test('takes no tokens, and tokens none of which is stored', () => {
      const sizes: CacheSizes = {
        layout,
        numBlocks: 1,
        blockSize: 8,
        kvHeads: 1,
        headSize: 8,
        storage: 'float32',
      };
      const caches = poisonedCaches(sizes);
      for (const slots of [[], [-1, -1]]) {
        const rows = tf.ones([slots.length, 1, 8]);
        reshapeAndCache(rows, rows, caches.key, caches.value, slotsOf(...slots));
      }
      expect(caches.key.dataSync()).toEqual(new Float32Array(64).fill(Number.NaN));
    });
  });

  const sizes: CacheSizes = {
    layout: 'flash',
    numBlocks: 2,
    blockSize: 8,
    kvHeads: 1,
    headSize: 8,
    storage: 'bfloat16',
  };

  test('leaks nothing', () => {
    const caches = poisonedCaches(sizes);
    const [rows, slots] = [tf.ones([1, 1, 8]), slotsOf(3)];
    expectNoLeak(() => reshapeAndCache(rows, rows, caches.key, caches.value, slots));
  });

  test('refuses to be recorded', () => {
    const caches = poisonedCaches(sizes);
    const rows = tf.ones([1, 1, 8]);
    const call = tf.grad((x: tf.Tensor) => {
      reshapeAndCache(x, x, caches.key, caches.value, slotsOf(3));
      return tf.square(x);
    });
    expectAttentionError(
      () => call(rows),
      'ERR_UNSUPPORTED',
      '[reshapeAndCache] keyCache, valueCache: expected no gradient recording, since it is written in ' +
        'place, received a call inside tf.grad or tf.variableGrads',
    );
    expect(caches.key.dataSync()).toEqual(new Float32Array(128).fill(Number.NaN));
  });

  test('names argument, expected and received', () => {
    const { key: keyCache, value: valueCache } = poisonedCaches(sizes);
    const rows = tf.ones([2, 1, 8]);
    const slots = slotsOf(3, 4);
    expectAttentionError(
      () => reshapeAndCache(rows, rows, keyCache, keyCache.clone(), slots),
      'ERR_UNSUPPORTED',
      '[reshapeAndCache] valueCache: expected its own data, received the data of keyCache',
    );
    expectAttentionError(
      () => reshapeAndCache(tf.ones([2, 8]), rows, keyCache, valueCache, slots),
      'ERR_SHAPE',
      '[reshapeAndCache] key: expected shape [tokens, 1, 8], received [2, 8]',
    );
    expectAttentionError(
      () => reshapeAndCache(tf.ones([2, 2, 8]), rows, keyCache, valueCache, slots),
      'ERR_SHAPE',
      '[reshapeAndCache] key: expected shape [tokens, 1, 8], received [2, 2, 8]',
    );
    expectAttentionError(
      () => reshapeAndCache(rows, tf.ones([3, 1, 8]), keyCache, valueCache, slots),
      'ERR_SHAPE',
      '[reshapeAndCache] value: expected shape [2, 1, 8] to match key, received [3, 1, 8]',
    );
    expectAttentionError(
      () => reshapeAndCache(rows, rows, keyCache, valueCache, slotsOf(3)),
      'ERR_SHAPE',
      '[reshapeAndCache] slotMapping: expected shape [2]: one slot per token, received [1]',
    );
    expectAttentionError(
      () => reshapeAndCache(rows, rows, keyCache, valueCache, tf.tensor1d([3, 4], 'float32')),
      'ERR_DTYPE',
      '[reshapeAndCache] slotMapping: expected int32, received float32',
    );
    expectAttentionError(
      () => reshapeAndCache(tf.ones([2, 1, 8], 'int32'), rows, keyCache, valueCache, slots),
      'ERR_DTYPE',
      '[reshapeAndCache] key: expected float32, received int32',
    );
    const half = zerosWithStorage([2, 1, 8], 'float16');
    expectAttentionError(
      () => reshapeAndCache(half, half, keyCache, valueCache, slots),
      'ERR_DTYPE',
      '[reshapeAndCache] key: expected storage float32 or bfloat16, received float16',
    );
    expectAttentionError(
      () => reshapeAndCache(rows, zerosWithStorage([2, 1, 8], 'bfloat16'), keyCache, valueCache, slots),
      'ERR_DTYPE',
      '[reshapeAndCache] value: expected storage float32 to match key, received bfloat16',
    );
    expectAttentionError(
      () => reshapeAndCache(rows, rows, tf.zeros([2, 12, 1, 8]), tf.zeros([2, 12, 1, 8]), slots),
      'ERR_UNSUPPORTED',
      '[reshapeAndCache] keyCache: expected a block size of 8, 16, 32, 64, 128, 256 in layout flash, received 12',
    );
  });

  test('refuses rows that are a view of a cache, and one cache as both, before anything is stored', () => {
    const [keyCache, valueCache] = [tf.ones([1, 8, 1, 8]), tf.zeros([1, 8, 1, 8])];
    const view = tf.reshape(keyCache, [8, 1, 8]);
    const rows = tf.zeros([8, 1, 8]);
    const slots = slotsOf(1, 2, 3, 4, 5, 6, 7, 0);
    for (const [key, value, keys, values, argument, owner] of [
      [view, rows, keyCache, valueCache, 'key', 'keyCache'],
      [rows, view, keyCache, valueCache, 'value', 'keyCache'],
      [view, rows, valueCache, keyCache, 'key', 'valueCache'],
      [rows, rows, keyCache, keyCache, 'valueCache', 'keyCache'],
    ] as const) {
      expectAttentionError(
        () => reshapeAndCache(key, value, keys, values, slots),
        'ERR_UNSUPPORTED',
        `[reshapeAndCache] ${argument}: expected its own data, received the data of ${owner}`,
      );
    }
    expect([tf.sum(keyCache).dataSync()[0], tf.sum(valueCache).dataSync()[0]]).toEqual([64, 0]);
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    test.each([
      [[3, 16], 'slotMapping[1]: expected -1 or a slot >= 0 and < 16, received 16'],
      [[3, -2], 'slotMapping[1]: expected -1 or a slot >= 0 and < 16, received -2'],
      [[3, 3], 'slotMapping[1]: expected a slot that no other token has, received slot 3 of token 0'],
    ])('rejects the slots %p before anything is stored', (slots, rule) => {
      const caches = poisonedCaches(sizes);
      const rows = tf.ones([2, 1, 8]);
      expectAttentionError(
        () => reshapeAndCache(rows, rows, caches.key, caches.value, slotsOf(...slots)),
        'ERR_RANGE',
        `[reshapeAndCache] ${rule}`,
      );
      expect(caches.key.dataSync()).toEqual(new Float32Array(128).fill(Number.NaN));
      expect(caches.value.dataSync()).toEqual(new Float32Array(128).fill(Number.NaN));
    });
  });

  if (backendName === 'cpu') {
    test('does not write into the int32 tensor behind tf.cast', () => {
      const keyCache = tf.zeros([2, 8, 1, 8]);
      const valueCache = tf.cast(tf.zeros([2, 8, 1, 8], 'int32'), 'float32');
      const rows = tf.ones([1, 1, 8]);
      expectAttentionError(
        () => reshapeAndCache(rows, rows, keyCache, valueCache, slotsOf(3)),
        'ERR_UNSUPPORTED',
        /^\[reshapeAndCache\] valueCache: expected unshared float32 memory/,
      );
      expect(tf.max(keyCache).dataSync()[0]).toBe(0);
    });
  }
});

describeOnDevices('reshapeAndCache on a device', () => {
  test.each(['flash', 'vllm'] as const)('does not store at slots outside the cache, layout %s', (layout) => {
    const sizes: CacheSizes = {
      layout,
      numBlocks: 2,
      blockSize: 8,
      kvHeads: 2,
      headSize: 16,
      storage: 'float16',
    };
    const shapes = cacheShapes(sizes);
    const keyCache = zerosWithStorage(shapes.key, sizes.storage);
    const valueCache = zerosWithStorage(shapes.value, sizes.storage);
    const slots = [16, -2, 15, 2 ** 31 - 1, -(2 ** 31), 17, -1];
    const rows = tf.ones([slots.length, 2, 16]);
    reshapeAndCache(rows, rows, keyCache, valueCache, tf.tensor1d(slots, 'int32'));

    const expected = { key: new Float32Array(keyCache.size), value: new Float32Array(valueCache.size) };
    for (let head = 0; head < 2; head++) {
      for (let d = 0; d < 16; d++) {
        const { key, value } = cacheIndex(sizes, 15, head, d);
        expected.key[key] = 1;
        expected.value[value] = 1;
      }
    }
    expect(keyCache.dataSync()).toEqual(expected.key);
    expect(valueCache.dataSync()).toEqual(expected.value);
  });
});
