import { geluAndMulOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';
import { gatedActivation } from './gated_activation.ts';

cudaKernel(geluAndMulOp, ({ inputs: { x }, attrs: { approximate }, outputs: [spec], backend }) => [
  gatedActivation(backend, 'geluAndMul', x, spec, approximate === 'tanh'),
]);
