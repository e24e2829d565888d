import { siluAndMulOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { gatedActivation } from './gated_activation.ts';

metalKernel(siluAndMulOp, ({ inputs: { x }, outputs: [spec], backend }) => [
  gatedActivation(backend, 'silu_and_mul', x, spec),
]);
