import { siluAndMulOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { gatedActivation, gatedActivationKernel } from './gated_activation.ts';

const kernel = gatedActivationKernel('silu_and_mul');

metalKernel(siluAndMulOp, ({ inputs: { x }, outputs: [spec], backend }) => [
  gatedActivation(backend, kernel, x, spec),
]);
