import {
  cacheLayout,
  copyBlocks,
  pagedAttention,
  reshapeAndCache,
  swapBlocks,
  zerosWithStorage,
} from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../core/src/testing/random.ts';
import { randomTensor } from '../../../core/src/testing/tensors.ts';
import { cuda, describeOnGpu, hasGpu } from '../testing/cuda.ts';

const HEADS = 4;
const NEEDED_BYTES = 12 * 2 ** 30;

/** Two uninitialized bfloat16 caches. */
function makeCaches(layout: 'flash' | 'vllm', headSize: number): tf.Tensor[] {
  const tokens = Math.ceil((2 ** 31 + 2 ** 20) / (HEADS * headSize));
  const [large, small] = [256, 64].map((blockSize) => Math.ceil(tokens / blockSize));
  const shapes = {
    flash: [0, 1].map(() => [large, 256, HEADS, headSize]),
    vllm: [
      [small, HEADS, headSize / 8, 64, 8],
      [small, HEADS, headSize, 64],
    ],
  };
  return shapes[layout].map((shape) =>
    tf.engine().makeTensorFromTensorInfo(cuda().makeOutput({ shape, dtype: 'float32', storage: 'bfloat16' })),
  );
}

async function whatIsMissing(): Promise<string | undefined> {
  if (!hasGpu) return undefined;
  await tf.setBackend('cuda');
  return cuda().memory().numBytesFree < NEEDED_BYTES ? 'needs 12 GiB of free GPU memory' : undefined;
}

const missing = await whatIsMissing();

const body = (): void => {
  test.each(['flash', 'vllm'] as const)(
    'are written and copied beyond 2^31 elements, layout %s',
    (layout) => {
      const [keyCache, valueCache] = makeCaches(layout, 512);
      expect(keyCache.size).toBeGreaterThan(2 ** 31);
      const { numBlocks, blockSize } = cacheLayout(keyCache, valueCache);
      const { tensor: rows, values } = randomTensor(new Random(1), [1, HEADS, 512], 'bfloat16');
      reshapeAndCache(
        rows,
        rows,
        keyCache,
        valueCache,
        tf.tensor1d([(numBlocks - 2) * blockSize + 3], 'int32'),
      );
      copyBlocks([keyCache], [valueCache], Int32Array.of(numBlocks - 2, numBlocks - 1));
      for (const cache of [keyCache, valueCache]) {
        const block = zerosWithStorage([1, ...cache.shape.slice(1)], 'bfloat16');
        swapBlocks(cache, block, Int32Array.of(numBlocks - 1, 0));
        const slot =
          layout === 'flash'
            ? tf.slice(block, [0, 3], [1, 1])
            : tf.slice(block, [0, 0, 0, 3], [1, -1, -1, 1]);
        expect([...slot.dataSync()]).toEqual([...values]);
      }
    },
  );

  // Every kernel: large heads, decode, and prefill.
  test.each([
    { layout: 'flash', headSize: 512 },
    { layout: 'vllm', headSize: 512 },
    { layout: 'flash', headSize: 128 },
    { layout: 'vllm', headSize: 128 },
  ] as const)('are attended to behind 2^31, layout $layout, head size $headSize', ({ layout, headSize }) => {
    const [keyCache, valueCache] = makeCaches(layout, headSize);
    const { numBlocks, blockSize } = cacheLayout(keyCache, valueCache);
    const random = new Random(7);
    const { tensor: row, values } = randomTensor(random, [1, HEADS, headSize], 'bfloat16');
    reshapeAndCache(row, row, keyCache, valueCache, tf.tensor1d([(numBlocks - 1) * blockSize], 'int32'));
    const blockTables = tf.tensor2d([[numBlocks - 1]], [1, 1], 'int32');
    const contextLens = tf.tensor1d([1], 'int32');
    for (const group of [1, 4]) {
      for (const queryLength of [1, 40]) {
        const query = randomTensor(random, [queryLength, HEADS * group, headSize], 'bfloat16').tensor;
        const cuSeqlensQ = tf.tensor1d([0, queryLength], 'int32');
        const lengths = { blockTables, contextLens, cuSeqlensQ };
        const output = pagedAttention(query, keyCache, valueCache, lengths, { causal: false });
        // The only key has weight 1.
        const expected = tf.tile(tf.tensor(values, [1, HEADS, 1, headSize]), [queryLength, 1, group, 1]);
        expect(output.dataSync()).toEqual(expected.dataSync());
      }
    }
  });
};

describeOnGpu('caches of more than 2^31 elements on cuda', body, missing);
