import type { CpuTensor } from '../cpu_kernel.ts';

/** Writes `activation(gate) * up` for each row `[gate | up]` of `x` `[.., 2n]` to `output` `[.., n]`. */
export function gatedActivation(
  x: Pick<CpuTensor, 'shape' | 'values'>,
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

export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

/** GELU with the exact error function. */
export function gelu(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

/** GELU's tanh approximation. */
export function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

/** erf(x) = 2/√π · exp(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 · … · (2n + 1)). No terms cancel, so it is exact up to rounding. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x); // 1 − erf(6) < 2⁻⁵³
  let term = x;
  let sum = x;
  for (let odd = 3; Math.abs(term) > 1e-17 * Math.abs(sum); odd += 2) {
    term *= (2 * x * x) / odd;
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}
