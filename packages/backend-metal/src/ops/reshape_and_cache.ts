import { paramsTable } from '@attention-js/backend-common';
import { cacheLayout, reshapeAndCacheOp } from '@attention-js/core';
import { PACK } from '../grid.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const MAX_THREADS = 128;

const kernel = shaderKernel(
  'reshape_and_cache',
  ['key', 'value', 'keyCache', 'valueCache', 'slotMapping'],
  paramsTable('ReshapeAndCacheParams', {
    numBlocks: 'uint32',
    blockSize: 'uint32',
    numKvHeads: 'uint32',
    headSize: 'uint32',
  }),
);

metalKernel(reshapeAndCacheOp, ({ inputs, backend }) => {
  const { key, value, keyCache, valueCache, slotMapping } = inputs;
  const { layout, numBlocks, blockSize, numKvHeads, headSize } = cacheLayout(keyCache, valueCache);
  backend.run(
    kernel,
    { key, value, keyCache, valueCache, slotMapping },
    { numBlocks, blockSize, numKvHeads, headSize },
    {
      variant: `${backend.mslType(key)}_${backend.mslType(keyCache)}`,
      constants: { vllm_layout: layout === 'vllm' },
      threadgroups: [key.shape[0], 1, 1],
      threads: [Math.min(MAX_THREADS, (numKvHeads * headSize) / PACK), 1, 1],
    },
  );
  return [];
});
