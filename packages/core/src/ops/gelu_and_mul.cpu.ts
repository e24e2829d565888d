import { cpuKernel } from '../cpu_kernel.ts';
import { gatedActivation, gelu, geluTanh } from './gated_activation.cpu.ts';
import type { GeluAndMulAttributes, GeluAndMulInputs } from './gelu_and_mul.ts';

export const geluAndMulCpu = cpuKernel<GeluAndMulInputs, GeluAndMulAttributes>(
  ({ x }, { approximate }, [output]) => gatedActivation(x, output, approximate === 'tanh' ? geluTanh : gelu),
);
