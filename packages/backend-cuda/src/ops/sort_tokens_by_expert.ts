import { sortTokensByExpertOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(sortTokensByExpertOp, ({ inputs: { ids }, attrs: { numExperts }, outputs, backend }) => {
  const [sortedTokenIds, expertIds] = outputs.map((spec) => backend.makeOutput(spec));
  backend.run('sortTokensByExpert', [ids, sortedTokenIds, expertIds, sortedTokenIds.shape[0], numExperts]);
  return [sortedTokenIds, expertIds];
});
