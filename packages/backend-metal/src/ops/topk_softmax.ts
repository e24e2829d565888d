import { topkSoftmaxOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

const SIMD_WIDTH = 32;
const SIMDGROUPS = 4; // each routes a token

metalKernel(topkSoftmaxOp, ({ inputs: { routerLogits }, attrs: { k, renormalize }, outputs, backend }) => {
  const [weights, ids] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, numExperts] = routerLogits.shape;
  backend.dispatch({
    shader: 'topk_softmax',
    function: `topk_softmax_${backend.mslType(routerLogits)}`,
    constants: { renormalize },
    buffers: [routerLogits, weights, ids],
    params: [tokens, numExperts, k].map(uint32),
    threadgroups: [Math.ceil(tokens / SIMDGROUPS), 1, 1],
    threads: [SIMDGROUPS * SIMD_WIDTH, 1, 1],
  });
  return [weights, ids];
});
