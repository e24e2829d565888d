import { moeGemmOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(moeGemmOp, ({ inputs, attrs: { topk, input }, outputs: [spec], backend }) => {
  const { x, weights, sortedTokenIds, expertIds, topkWeights } = inputs;
  const output = backend.makeOutput(spec);
  const [numExperts, outputWidth, inputWidth] = weights.shape;
  backend.run('moeGemm', [
    ...[x, weights, sortedTokenIds, expertIds, topkWeights, output],
    ...[sortedTokenIds.shape[0], numExperts, input === 'tokens' ? topk : 1, outputWidth, inputWidth],
  ]);
  return [output];
});
