import { cpuKernel } from '../cpu_kernel.ts';
import { copyBlockPairs } from './block_pairs.cpu.ts';
import type { BlockPairsAttributes } from './block_pairs.ts';
import type { CopyBlocksInputs } from './copy_blocks.ts';

export const copyBlocksCpu = cpuKernel<CopyBlocksInputs, BlockPairsAttributes>(
  ({ keyCache, valueCache }, { pairs }) => {
    copyBlockPairs(keyCache, keyCache, pairs);
    copyBlockPairs(valueCache, valueCache, pairs);
  },
);
