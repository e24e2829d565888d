import { sizeOf } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, copyBlocksOp, elementStorageOf } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { blockPairsParams, copyBlockPairs } from './block_pairs.ts';

const WORD_BYTES = 16; // divides every block, which has at least 8 slots of 8 elements

const kernel = shaderKernel('copy_blocks', ['keyCache', 'valueCache', 'pairs'], blockPairsParams);

metalKernel(copyBlocksOp, ({ inputs: { keyCache, valueCache }, attrs, backend }) => {
  const blockBytes = sizeOf(keyCache.shape.slice(1)) * BYTES_PER_ELEMENT[elementStorageOf(keyCache)];
  copyBlockPairs(backend, attrs.pairs, blockBytes / WORD_BYTES, (pairs, params, grid) =>
    backend.run(kernel, { keyCache, valueCache, pairs }, params, grid),
  );
  return [];
});
