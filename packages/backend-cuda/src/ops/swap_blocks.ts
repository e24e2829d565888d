import { swapBlocksOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';
import { copyBlockPairs } from './block_pairs.ts';

cudaKernel(swapBlocksOp, ({ inputs: { source, destination }, attrs: { pairs }, backend }) => {
  copyBlockPairs(backend, 'swapBlocks', [source, destination], pairs);
  return [];
});
