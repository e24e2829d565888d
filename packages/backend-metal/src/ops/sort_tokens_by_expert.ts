import { paramsTable } from '@attention-js/backend-common';
import { sortTokensByExpertOp } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const SIMD_WIDTH = 32;
const SIMDGROUPS = 4; // one expert each

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

/** Writes the pairs of `ids`, sorted by expert, to `sortedTokenIds`, and their experts to `expertIds`. */
export function sortPairsByExpert(
  backend: MetalBackend,
  ids: TensorInfo,
  numExperts: number,
  sortedTokenIds: TensorInfo,
  expertIds: TensorInfo,
): void {
  const [pairs] = sortedTokenIds.shape;
  const sorters = numExperts + 1; // the last one handles invalid ids
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
