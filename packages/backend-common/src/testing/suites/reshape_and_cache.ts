import { reshapeAndCache, zerosWithStorage } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { cacheIndex, cacheShapes } from '../../../../core/src/testing/cache_index.ts';
import type { CacheSizes } from '../../../../core/src/testing/cache_index.ts';
import type { DescribeSuite } from '../describe_suite.ts';

export function reshapeAndCacheSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('reshapeAndCache on a device', () => {
    test.each(['flash', 'vllm'] as const)(
      'does not store at slots outside the cache, layout %s',
      (layout) => {
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
      },
    );
  });
}
