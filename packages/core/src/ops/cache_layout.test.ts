import { describe, expect, test } from '@jest/globals';
import { Checks } from '../checks.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { describeOnBackends } from '../testing/backends.ts';
import { cacheIndex, cacheShapes } from '../testing/cache_index.ts';
import type { CacheSizes } from '../testing/cache_index.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { cacheLayout, checkCacheLayout, checkHeadSize, elementOffset, headAddress } from './cache_layout.ts';

const layouts = ['flash', 'vllm'] as const;

function layoutOf(sizes: CacheSizes) {
  const shapes = cacheShapes(sizes);
  return cacheLayout({ shape: shapes.key }, { shape: shapes.value });
}

function accepts(call: () => unknown): boolean {
  try {
    call();
    return true;
  } catch {
    return false;
  }
}

describe.each(layouts)('addresses in layout %s', (layout) => {
  test.each(ELEMENT_STORAGE_TYPES)('are those of the tensors in %s', (storage) => {
    const sizes: CacheSizes = { layout, numBlocks: 3, blockSize: 8, kvHeads: 3, headSize: 24, storage };
    const { key, value } = layoutOf(sizes);
    const wrong: number[][] = [];
    for (let slot = 0; slot < 24; slot++) {
      for (let head = 0; head < 3; head++) {
        for (let d = 0; d < 24; d++) {
          const expected = cacheIndex(sizes, slot, head, d);
          const addressed =
            headAddress(key, 8, slot, head) + elementOffset(key, d) === expected.key &&
            headAddress(value, 8, slot, head) + elementOffset(value, d) === expected.value;
          if (!addressed) wrong.push([slot, head, d]);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  test('do not wrap past 2³¹ elements', () => {
    const sizes: CacheSizes = {
      layout,
      numBlocks: 1_000_000,
      blockSize: 64,
      kvHeads: 8,
      headSize: 128,
      storage: 'bfloat16',
    };
    const { key, value, numBlocks } = layoutOf(sizes);
    const last = numBlocks * 64 - 1;
    expect(headAddress(key, 64, last, 7) + elementOffset(key, 127)).toBe(65_535_999_999);
    expect(headAddress(value, 64, last, 7) + elementOffset(value, 127)).toBe(65_535_999_999);
    const inside = cacheIndex(sizes, last - 5, 3, 17);
    expect(headAddress(key, 64, last - 5, 3) + elementOffset(key, 17)).toBe(inside.key);
    expect(headAddress(value, 64, last - 5, 3) + elementOffset(value, 17)).toBe(inside.value);
  });
});

describeOnBackends('checkCacheLayout', () => {
  const checks = new Checks('op');

  function check(keyShape: number[], valueShape: number[], storage: ElementStorage = 'float32') {
    const [key, value] = [keyShape, valueShape].map((shape) => zerosWithStorage(shape, storage));
    return checkCacheLayout(checks, key, value);
  }

  test('tells the layouts apart', () => {
    const sizes = { numBlocks: 2, blockSize: 16, numKvHeads: 3, headSize: 40 };
    expect(check([2, 16, 3, 40], [2, 16, 3, 40])).toMatchObject({ layout: 'flash', ...sizes });
    expect(check([2, 3, 10, 16, 4], [2, 3, 40, 16])).toMatchObject({ layout: 'vllm', ...sizes });
    expect(check([2, 3, 5, 16, 8], [2, 3, 40, 16], 'bfloat16')).toMatchObject({ layout: 'vllm', ...sizes });
  });

  test('takes every block size of the specification, and no other', () => {
    const sizes = Array.from({ length: 600 }, (_, i) => i);
    const flash = sizes.filter((size) => accepts(() => check([0, size, 1, 8], [0, size, 1, 8])));
    const vllm = sizes.filter((size) => accepts(() => check([0, 1, 2, size, 4], [0, 1, 8, size])));
    expect(flash).toEqual([8, 16, 32, 64, 128, 256]);
    expect(vllm).toEqual([8, 16, 32, 64]);
    const heads = sizes.filter((size) => accepts(() => checkHeadSize(checks, 'query', size)));
    expect(heads).toEqual([...Array.from({ length: 32 }, (_, i) => 8 * (i + 1)), 512]);
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => check([2, 16, 40], [2, 16, 40]),
      'ERR_SHAPE',
      '[op] keyCache: expected shape [numBlocks, blockSize, kvHeads, headSize] or ' +
        '[numBlocks, kvHeads, headSize / 4, blockSize, 4] in float32, received [2, 16, 40]',
    );
    expectAttentionError(
      () => check([2, 3, 10, 16, 4], [2, 3, 40, 16], 'float16'),
      'ERR_SHAPE',
      '[op] keyCache: expected shape [numBlocks, blockSize, kvHeads, headSize] or ' +
        '[numBlocks, kvHeads, headSize / 8, blockSize, 8] in float16, received [2, 3, 10, 16, 4]',
    );
    expectAttentionError(
      () => check([2, 16, 3, 40], [2, 16, 3, 48]),
      'ERR_SHAPE',
      '[op] valueCache: expected shape [2, 16, 3, 40] to match keyCache, received [2, 16, 3, 48]',
    );
    expectAttentionError(
      () => check([2, 3, 10, 16, 4], [2, 3, 16, 40]),
      'ERR_SHAPE',
      '[op] valueCache: expected shape [2, 3, 40, 16] to match keyCache, received [2, 3, 16, 40]',
    );
    expectAttentionError(
      () => check([2, 16, 0, 40], [2, 16, 0, 40]),
      'ERR_SHAPE',
      '[op] keyCache: expected at least one KV head, received [2, 16, 0, 40]',
    );
    expectAttentionError(
      () => check([2, 24, 3, 40], [2, 24, 3, 40]),
      'ERR_UNSUPPORTED',
      '[op] keyCache: expected a block size of 8, 16, 32, 64, 128, 256 in layout flash, received 24',
    );
    expectAttentionError(
      () => check([2, 3, 10, 128, 4], [2, 3, 40, 128]),
      'ERR_UNSUPPORTED',
      '[op] keyCache: expected a block size of 8, 16, 32, 64 in layout vllm, received 128',
    );
    expectAttentionError(
      () => check([2, 16, 3, 264], [2, 16, 3, 264]),
      'ERR_UNSUPPORTED',
      '[op] keyCache: expected a head size that is a multiple of 8 up to 256, or 512, received 264',
    );
    const half = zerosWithStorage([2, 16, 3, 40], 'float16');
    expectAttentionError(
      () => checkCacheLayout(checks, half, zerosWithStorage([2, 16, 3, 40], 'bfloat16')),
      'ERR_DTYPE',
      '[op] valueCache: expected storage float16 to match keyCache, received bfloat16',
    );
  });
});
