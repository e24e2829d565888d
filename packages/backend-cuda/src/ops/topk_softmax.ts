import { topkSoftmaxOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(topkSoftmaxOp, ({ inputs: { routerLogits }, attrs: { k, renormalize }, outputs, backend }) => {
  const [weights, ids] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, numExperts] = routerLogits.shape;
  backend.run('topkSoftmax', [routerLogits, weights, ids, tokens, numExperts, k, renormalize]);
  return [weights, ids];
});
