import { cacheLayout, copyBlocks, reshapeAndCache, swapBlocks, zerosWithStorage } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../core/src/testing/random.ts';
import { randomTensor } from '../../../core/src/testing/tensors.ts';
import { describeOnMetal, metal } from '../testing/metal.ts';

const HEADS = 4;
const HEAD_SIZE = 512;

describeOnMetal('caches of more than 2^31 elements on metal', () => {
  const x = 8; // elements of 16 bytes
  const shapes = {
    flash: { key: [4098, 256, HEADS, HEAD_SIZE], value: [4098, 256, HEADS, HEAD_SIZE] },
    vllm: { key: [16386, HEADS, HEAD_SIZE / x, 64, x], value: [16386, HEADS, HEAD_SIZE, 64] },
  };

  test.each(['flash', 'vllm'] as const)(
    'are written and copied beyond 2^31 elements, layout %s',
    (layout) => {
      // Uninitialized, so that only the touched part takes physical memory.
      const [keyCache, valueCache] = [shapes[layout].key, shapes[layout].value].map((shape) =>
        tf
          .engine()
          .makeTensorFromTensorInfo(metal().makeOutput({ shape, dtype: 'float32', storage: 'bfloat16' })),
      );
      expect(keyCache.size).toBeGreaterThan(2 ** 31);
      const { numBlocks, blockSize } = cacheLayout(keyCache, valueCache);
      const { tensor: rows, values } = randomTensor(new Random(1), [1, HEADS, HEAD_SIZE], 'bfloat16');
      const slots = tf.tensor1d([(numBlocks - 2) * blockSize + 3], 'int32');
      reshapeAndCache(rows, rows, keyCache, valueCache, slots);
      copyBlocks([keyCache], [valueCache], Int32Array.of(numBlocks - 2, numBlocks - 1));

      for (const [cache, kind] of [
        [keyCache, 'key'],
        [valueCache, 'value'],
      ] as const) {
        const shape = shapes[layout][kind];
        const block = zerosWithStorage([1, ...shape.slice(1)], 'bfloat16');
        swapBlocks(cache, block, Int32Array.of(numBlocks - 1, 0));
        const slot =
          layout === 'flash'
            ? tf.slice(block, [0, 3], [1, 1])
            : tf.slice(block, [0, 0, 0, 3], [1, -1, -1, 1]);
        expect([...slot.dataSync()]).toEqual([...values]);
      }
    },
  );
});
