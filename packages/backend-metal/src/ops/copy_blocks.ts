import { sizeOf } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, copyBlocksOp, storageOf } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { copyBlockPairs } from './block_pairs.ts';

const WORD_BYTES = 16; // a block of at least 8 slots of 8 elements is a multiple of it

metalKernel(copyBlocksOp, ({ inputs: { keyCache, valueCache }, attrs: { pairs }, backend }) => {
  const blockBytes = sizeOf(keyCache.shape.slice(1)) * BYTES_PER_ELEMENT[storageOf(keyCache)];
  copyBlockPairs(backend, {
    shader: 'copy_blocks',
    function: 'copy_blocks',
    caches: [keyCache, valueCache],
    pairs,
    blockWords: blockBytes / WORD_BYTES,
  });
  return [];
});
