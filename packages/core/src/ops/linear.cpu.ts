import { cpuKernel } from '../cpu_kernel.ts';
import { gemmRows } from './gemm_rows.cpu.ts';
import type { LinearInputs } from './linear.ts';
import { weightRows } from './weight_rows.cpu.ts';

export const linearCpu = cpuKernel<LinearInputs, object>(({ x, weight, bias }, _attrs, [output]) => {
  const [outputWidth, inputWidth] = weight.shape;
  const rows = Int32Array.from({ length: output.length / outputWidth }, (_, row) => row);
  gemmRows({
    input: x.values,
    inputRows: rows,
    weights: weightRows(weight),
    matrix: 0,
    inputWidth,
    outputWidth,
    output,
    outputRows: rows,
  });
  if (!bias) return;
  for (let start = 0; start < output.length; start += outputWidth) {
    for (let i = 0; i < outputWidth; i++) output[start + i] += bias.values[i];
  }
});
