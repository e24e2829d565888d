import { geluAndMulOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { gatedActivation } from './gated_activation.ts';

metalKernel(geluAndMulOp, ({ inputs: { x }, attrs: { approximate }, outputs: [spec], backend }) => [
  gatedActivation(backend, 'gelu_and_mul', x, spec, { tanh_approximation: approximate === 'tanh' }),
]);
