import { moeGemmOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(moeGemmOp, ({ inputs, attrs: { topk, input }, outputs: [spec], backend }) => {
  const { x, weights, sortedTokenIds, expertIds, topkWeights } = inputs;
  const output = backend.makeOutput(spec);
  const [numExperts, outputWidth, inputWidth] = weights.shape;
  const tensors = [x, weights, output, topkWeights, sortedTokenIds, expertIds];
  const pairsPerRow = input === 'tokens' ? topk : 1;
  const sizes = [sortedTokenIds.shape[0], numExperts, pairsPerRow, outputWidth, inputWidth];
  backend.run('moeGemm', [...tensors, ...sizes]);
  return [output];
});
