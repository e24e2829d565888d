import { cpuKernel } from '../cpu_kernel.ts';
import { gatedActivation } from './gated_activation.cpu.ts';
import type { SiluAndMulInputs } from './silu_and_mul.ts';

export const siluAndMulCpu = cpuKernel<SiluAndMulInputs, object>(({ x }, _attrs, [output]) => {
  gatedActivation(x, output, (gate) => gate / (1 + Math.exp(-gate)));
});
