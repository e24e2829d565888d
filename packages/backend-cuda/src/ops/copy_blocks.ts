import { copyBlocksOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';
import { copyBlockPairs } from './block_pairs.ts';

cudaKernel(copyBlocksOp, ({ inputs: { keyCache, valueCache }, attrs: { pairs }, backend }) => {
  copyBlockPairs(backend, 'copyBlocks', [keyCache, valueCache], pairs);
  return [];
});
