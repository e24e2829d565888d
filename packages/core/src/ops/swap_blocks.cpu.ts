import { cpuKernel } from '../cpu_kernel.ts';
import { copyBlockPairs } from './block_pairs.cpu.ts';
import type { BlockPairsAttributes } from './block_pairs.ts';
import type { SwapBlocksInputs } from './swap_blocks.ts';

export const swapBlocksCpu = cpuKernel<SwapBlocksInputs, BlockPairsAttributes>(
  ({ source, destination }, { pairs }) => copyBlockPairs(source, destination, pairs),
);
