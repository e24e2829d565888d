import { fusedMoeOp } from '@attention-js/core';
import type { MoeActivation } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

/** Numbered as in moe_product.h. */
const ACTIVATIONS: readonly MoeActivation[] = ['silu', 'gelu', 'gelu_tanh'];

cudaKernel(fusedMoeOp, ({ inputs, attrs: { activation }, outputs: [spec], backend }) => {
  const { x, gateUpWeights, downWeights, topkWeights, topkIds } = inputs;
  const output = backend.makeOutput(spec);
  const tensors = [x, gateUpWeights, downWeights, topkWeights, topkIds, output];
  const sizes = [...topkIds.shape, ...downWeights.shape];
  backend.run('fusedMoe', [...tensors, ...sizes, ACTIVATIONS.indexOf(activation)]);
  return [output];
});
