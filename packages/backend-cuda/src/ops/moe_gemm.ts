import { paramsTable } from '@attention-js/backend-common';
import { moeGemmOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const moeGemm = operation(
  'moeGemm',
  ['x', 'weights', 'output', 'topkWeights?', 'sortedTokenIds', 'expertIds'],
  paramsTable('MoeGemmParams', {
    pairs: 'int32',
    experts: 'int32',
    pairsPerRow: 'int32',
    width: 'int32',
    depth: 'int32',
  }),
  ['weights'],
);

cudaKernel(
  moeGemmOp,
  ({ inputs, attrs: { topk, input }, outputs: [spec], backend }) => {
    const { x, weights, sortedTokenIds, expertIds, topkWeights } = inputs;
    const output = backend.makeOutput(spec);
    const [experts, width, depth] = weights.shape;
    backend.run(
      moeGemm,
      { x, weights, output, topkWeights, sortedTokenIds, expertIds },
      { pairs: sortedTokenIds.shape[0], experts, pairsPerRow: input === 'tokens' ? topk : 1, width, depth },
    );
    return [output];
  },
  { takesBlocks: true },
);
