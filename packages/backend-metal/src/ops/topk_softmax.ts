import { paramsTable } from '@attention-js/backend-common';
import { topkSoftmaxOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const SIMD_WIDTH = 32;
const SIMDGROUPS = 4; // one token each

const kernel = shaderKernel(
  'topk_softmax',
  ['logits', 'weights', 'ids'],
  paramsTable('TopkSoftmaxParams', { tokens: 'uint32', experts: 'uint32', k: 'uint32' }),
);

metalKernel(topkSoftmaxOp, ({ inputs: { routerLogits }, attrs: { k, renormalize }, outputs, backend }) => {
  const [weights, ids] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, experts] = routerLogits.shape;
  backend.run(
    kernel,
    { logits: routerLogits, weights, ids },
    { tokens, experts, k },
    {
      variant: backend.mslType(routerLogits),
      constants: { renormalize },
      threadgroups: [Math.ceil(tokens / SIMDGROUPS), 1, 1],
      threads: [SIMDGROUPS * SIMD_WIDTH, 1, 1],
    },
  );
  return [weights, ids];
});
