import { sortTokensByExpertOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

const SIMD_WIDTH = 32;
const MAX_SIMDGROUPS = 8;
const PAIRS_PER_THREAD = 8;

metalKernel(sortTokensByExpertOp, ({ inputs: { ids }, attrs: { numExperts }, outputs, backend }) => {
  const [sortedTokenIds, expertIds] = outputs.map((spec) => backend.makeOutput(spec));
  const [pairs] = sortedTokenIds.shape;
  const simdgroups = Math.min(MAX_SIMDGROUPS, Math.ceil(pairs / (SIMD_WIDTH * PAIRS_PER_THREAD)));
  backend.dispatch({
    shader: 'sort_tokens_by_expert',
    function: 'sort_tokens_by_expert',
    buffers: [ids, sortedTokenIds, expertIds],
    params: [pairs, numExperts].map(uint32),
    threadgroups: [pairs === 0 ? 0 : numExperts + 1, 1, 1], // the last one for ids that are no expert's
    threads: [simdgroups * SIMD_WIDTH, 1, 1],
  });
  return [sortedTokenIds, expertIds];
});
