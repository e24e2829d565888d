import { paramsTable } from '@attention-js/backend-common';
import { topkSoftmaxOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const topkSoftmax = operation(
  'topkSoftmax',
  ['logits', 'weights', 'ids'],
  paramsTable('TopkSoftmaxParams', { tokens: 'int32', experts: 'int32', k: 'int32', renormalize: 'bool' }),
);

cudaKernel(topkSoftmaxOp, ({ inputs: { routerLogits }, attrs: { k, renormalize }, outputs, backend }) => {
  const [weights, ids] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, experts] = routerLogits.shape;
  backend.run(topkSoftmax, { logits: routerLogits, weights, ids }, { tokens, experts, k, renormalize });
  return [weights, ids];
});
