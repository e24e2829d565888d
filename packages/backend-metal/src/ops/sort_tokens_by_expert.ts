import { sortTokensByExpertOp } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

const SIMD_WIDTH = 32;
const SIMDGROUPS = 4; // each takes the pairs of an expert

metalKernel(sortTokensByExpertOp, ({ inputs: { ids }, attrs: { numExperts }, outputs, backend }) => {
  const [sortedTokenIds, expertIds] = outputs.map((spec) => backend.makeOutput(spec));
  sortPairsByExpert(backend, ids, numExperts, sortedTokenIds, expertIds);
  return [sortedTokenIds, expertIds];
});

/** Sorts the pairs of `ids` into `sortedTokenIds`, and their experts into `expertIds`, both of as many elements. */
export function sortPairsByExpert(
  backend: MetalBackend,
  ids: TensorInfo,
  numExperts: number,
  sortedTokenIds: TensorInfo,
  expertIds: TensorInfo,
): void {
  const [pairs] = sortedTokenIds.shape;
  const sorters = numExperts + 1; // the last one for ids that are no expert's
  backend.dispatch({
    shader: 'sort_tokens_by_expert',
    function: 'sort_tokens_by_expert',
    buffers: [ids, sortedTokenIds, expertIds],
    params: [pairs, numExperts].map(uint32),
    threadgroups: [pairs === 0 ? 0 : Math.ceil(sorters / SIMDGROUPS), 1, 1],
    threads: [SIMDGROUPS * SIMD_WIDTH, 1, 1],
  });
}
