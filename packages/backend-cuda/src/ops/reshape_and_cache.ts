import { cacheLayout, reshapeAndCacheOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(reshapeAndCacheOp, ({ inputs, backend }) => {
  const { key, value, keyCache, valueCache, slotMapping } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads, headSize } = cacheLayout(keyCache, valueCache);
  backend.run('reshapeAndCache', [
    ...[key, value, keyCache, valueCache, slotMapping],
    ...[key.shape[0], numBlocks, blockSize, numKvHeads, headSize, layout === 'vllm'],
  ]);
  return [];
});
