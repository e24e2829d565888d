import type { CpuTensor } from '../cpu_kernel.ts';

/** For each row `[gate | up]` of `x` `[.., 2n]`: `activation(gate) * up` into `output` `[.., n]`. */
export function gatedActivation(
  x: CpuTensor,
  output: Float32Array | Int32Array,
  activation: (gate: number) => number,
): void {
  const { values } = x;
  const width = x.shape[x.shape.length - 1] / 2;
  for (let start = 0; start < output.length; start += width) {
    const gate = 2 * start;
    const up = gate + width;
    for (let i = 0; i < width; i++) output[start + i] = activation(values[gate + i]) * values[up + i];
  }
}
