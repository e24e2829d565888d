import { cacheLayout, reshapeAndCacheOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(reshapeAndCacheOp, ({ inputs, backend }) => {
  const { key, value, keyCache, valueCache, slotMapping } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads, headSize } = cacheLayout(keyCache, valueCache);
  const tensors = [key, value, keyCache, valueCache, slotMapping];
  const sizes = [key.shape[0], numBlocks, blockSize, numKvHeads, headSize];
  backend.run('reshapeAndCache', [...tensors, ...sizes, layout === 'vllm']);
  return [];
});
