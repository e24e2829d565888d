import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { checkGated, gatedOutput } from './gated_activation.ts';
import { geluAndMulCpu } from './gelu_and_mul.cpu.ts';

/** Inputs of {@link geluAndMul} by name. */
export interface GeluAndMulInputs {
  /** `[.., 2n]`: gate, then up. */
  x: TensorInfo;
}

/** Attributes of {@link geluAndMul} by name. */
export interface GeluAndMulAttributes {
  /** `none`: with the exact error function. `tanh`: the tanh approximation. PyTorch's names. */
  approximate: 'none' | 'tanh';
}

const checks = new Checks('geluAndMul');
const OPTIONS = keysOf<GeluAndMulAttributes>({ approximate: true });

/** The op behind {@link geluAndMul}, for packages that add a kernel. */
export const geluAndMulOp = defineCoreOp<GeluAndMulInputs, GeluAndMulAttributes>({
  name: 'GeluAndMul',
  check({ x }, { approximate }) {
    checkGated(checks, x);
    checks.oneOf('approximate', approximate, ['none', 'tanh']);
  },
  outputs: ({ x }) => [gatedOutput(x)],
  kernels: { cpu: geluAndMulCpu },
});

/**
 * GeGLU's elementwise half: `gelu(gate) * up`. The options have the names of PyTorch's `gelu`:
 *
 * - `approximate: 'none'` (default): `gelu(g) = g/2 · (1 + erf(g / √2))`.
 * - `approximate: 'tanh'`: `gelu(g) = g/2 · (1 + tanh(√(2/π) · (g + 0.044715 g³)))`; Gemma's `gelu_pytorch_tanh`.
 *
 * @param x `[.., 2n]` float32 in any storage type: the gate's n elements, then the up projection's.
 * @returns `[.., n]` in the storage type of `x`.
 * @throws AttentionError `ERR_SHAPE` if the last dimension is odd or `x` is a scalar, `ERR_DTYPE` if `x` is not float32,
 * `ERR_RANGE` for another `approximate`, `ERR_UNSUPPORTED` for an unknown option.
 * @see Shazeer, "GLU Variants Improve Transformer", 2020; vLLM's `gelu_and_mul` and `gelu_tanh_and_mul`.
 */
export function geluAndMul(x: Tensor, options: Partial<GeluAndMulAttributes> = {}): Tensor {
  checks.keys('options', options, OPTIONS);
  const { approximate = 'none' } = options;
  return geluAndMulOp({ x }, { approximate })[0];
}
