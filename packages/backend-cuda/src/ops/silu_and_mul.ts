import { siluAndMulOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';
import { gatedActivation } from './gated_activation.ts';

cudaKernel(siluAndMulOp, ({ inputs: { x }, outputs: [spec], backend }) => [
  gatedActivation(backend, 'siluAndMul', x, spec),
]);
