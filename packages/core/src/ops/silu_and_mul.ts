import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { checkGated, gatedOutput } from './gated_activation.ts';
import { siluAndMulCpu } from './silu_and_mul.cpu.ts';

/** Inputs of {@link siluAndMul} by name. */
export interface SiluAndMulInputs {
  /** `[.., 2n]`: gate, then up. */
  x: TensorInfo;
}

const checks = new Checks('siluAndMul');

/** The op behind {@link siluAndMul}, for packages that add a kernel. */
export const siluAndMulOp = defineCoreOp<SiluAndMulInputs, object>({
  name: 'SiluAndMul',
  check: ({ x }) => checkGated(checks, x),
  outputs: ({ x }) => [gatedOutput(x)],
  kernels: { cpu: siluAndMulCpu },
});

/**
 * SwiGLU's elementwise half: `silu(gate) * up`, with `silu(g) = g / (1 + exp(-g))`.
 *
 * @param x `[.., 2n]` float32 in any storage type: the gate's n elements, then the up projection's.
 * @returns `[.., n]` in the storage type of `x`.
 * @throws AttentionError `ERR_SHAPE` if the last dimension is odd or `x` is a scalar, `ERR_DTYPE` if `x` is not float32.
 * @see Shazeer, "GLU Variants Improve Transformer", 2020; vLLM's `silu_and_mul`.
 */
export function siluAndMul(x: Tensor): Tensor {
  return siluAndMulOp({ x }, {})[0];
}
