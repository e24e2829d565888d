import { cpuKernel } from '../cpu_kernel.ts';
import { gatedActivation, silu } from './gated_activation.cpu.ts';
import type { SiluAndMulInputs } from './silu_and_mul.ts';

export const siluAndMulCpu = cpuKernel<SiluAndMulInputs, object>(({ x }, _attrs, [output]) =>
  gatedActivation(x, output, silu),
);
