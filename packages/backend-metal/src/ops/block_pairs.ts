import { paramsTable } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { stridedGrid } from '../grid.ts';
import type { Launch } from '../launch.ts';
import type { MetalBackend } from '../metal_backend.ts';

/** Parameters of kernels that copy blocks. */
export const blockPairsParams = paramsTable('BlockPairsParams', { blockWords: 'uint32' });

/**
 * Uploads pairs of blocks (source, destination, source, …) and copies all of them in one launch.
 *
 * @param blockWords Words per block, in the word size of the kernel.
 * @param run Runs the kernel.
 */
export function copyBlockPairs(
  backend: MetalBackend,
  pairs: Int32Array,
  blockWords: number,
  run: (pairs: TensorInfo, params: { blockWords: number }, grid: Launch) => void,
): void {
  if (pairs.length === 0) return;
  const uploaded = backend.makeTensorInfo([pairs.length], 'int32', pairs);
  run(uploaded, { blockWords }, stridedGrid(blockWords, 4, pairs.length / 2));
  backend.disposeIntermediateTensorInfo(uploaded);
}
