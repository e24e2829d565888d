import { paramsTable } from '@attention-js/backend-common';
import { sortTokensByExpertOp } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const SIMD_WIDTH = 32;
const SIMDGROUPS = 4; // each takes the pairs of an expert

const kernel = shaderKernel(
  'sort_tokens_by_expert',
  ['ids', 'sortedTokenIds', 'expertIds'],
  paramsTable('SortTokensByExpertParams', { pairs: 'uint32', experts: 'uint32' }),
);

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
  backend.run(
    kernel,
    { ids, sortedTokenIds, expertIds },
    { pairs, experts: numExperts },
    {
      threadgroups: [pairs === 0 ? 0 : Math.ceil(sorters / SIMDGROUPS), 1, 1],
      threads: [SIMDGROUPS * SIMD_WIDTH, 1, 1],
    },
  );
}
