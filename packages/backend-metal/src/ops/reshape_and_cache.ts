import { cacheLayout, reshapeAndCacheOp } from '@attention-js/core';
import { PACK } from '../grid.ts';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

const MAX_THREADS = 128;

metalKernel(reshapeAndCacheOp, ({ inputs, backend }) => {
  const { key, value, keyCache, valueCache, slotMapping } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads, headSize } = cacheLayout(keyCache, valueCache);
  backend.dispatch({
    shader: 'reshape_and_cache',
    function: `reshape_and_cache_${backend.mslType(key)}_${backend.mslType(keyCache)}`,
    constants: { vllm_layout: layout === 'vllm' },
    buffers: [key, value, keyCache, valueCache, slotMapping],
    params: [numBlocks, blockSize, numKvHeads, headSize].map(uint32),
    threadgroups: [key.shape[0], 1, 1],
    threads: [Math.min(MAX_THREADS, (numKvHeads * headSize) / PACK), 1, 1],
  });
  return [];
});
