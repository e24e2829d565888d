import { geluAndMulOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { gatedActivation, gatedActivationKernel } from './gated_activation.ts';

const kernel = gatedActivationKernel('gelu_and_mul');

metalKernel(geluAndMulOp, ({ inputs: { x }, attrs: { approximate }, outputs: [spec], backend }) => [
  gatedActivation(backend, kernel, x, spec, { tanh_approximation: approximate === 'tanh' }),
]);
