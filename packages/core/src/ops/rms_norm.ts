import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import type { OutputSpec } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { rmsNormCpu } from './rms_norm.cpu.ts';

/** Inputs of {@link rmsNorm} by name. */
export interface RmsNormInputs {
  /** `[.., n]`, float32 in any storage type. */
  x: TensorInfo;
  /** `[n]`, float32 or the storage type of `x`. */
  weight: TensorInfo;
  /** Shape and storage type of `x`. */
  residual?: TensorInfo;
}

/** Attributes of {@link rmsNorm} by name. */
export interface RmsNormAttributes {
  /** Added to the mean square. */
  epsilon: number;
  /** Whether rows are multiplied by 1 + weight. */
  addUnitOffset: boolean;
}

/** Options of {@link rmsNorm}. */
export interface RmsNormOptions {
  /** Added to the mean square; greater than 0. */
  epsilon: number;
  /** Added to `x` first; shape and storage type of `x`. */
  residual?: Tensor;
  /** Multiplies by 1 + weight, as Gemma does. Default: false. */
  addUnitOffset?: boolean;
}

const checks = new Checks('rmsNorm');
const OPTIONS = keysOf<RmsNormOptions>({ epsilon: true, residual: true, addUnitOffset: true });

/** The op behind {@link rmsNorm}, for packages that add a kernel. With a residual, the second output is the sum. */
export const rmsNormOp = defineCoreOp<RmsNormInputs, RmsNormAttributes>({
  name: 'RmsNorm',
  check({ x, weight, residual }, { epsilon, addUnitOffset }) {
    checks.dtype('x', x, 'float32');
    checks.expectShape(x.shape.length > 0, 'x', x, 'shape [.., n]');
    checks.storage('weight', weight, 'float32', storageOf(x));
    checks.shape('weight', weight, x.shape.slice(-1), ' to match the rows of x');
    if (residual) {
      checks.shape('residual', residual, x.shape, ' to match x');
      checks.sameStorage('residual', residual, 'x', x);
    }
    checks.finite('epsilon', epsilon, 0);
    checks.oneOf('addUnitOffset', addUnitOffset, [true, false]);
  },
  optional: ['residual'],
  outputs({ x, residual }) {
    const output: OutputSpec = { shape: x.shape, dtype: 'float32', storage: storageOf(x) };
    return residual ? [output, output] : [output];
  },
  kernels: { cpu: rmsNormCpu },
});

/**
 * Root-mean-square normalization of rows, optionally after a residual connection in the same pass:
 * `x / sqrt(mean(x²) + epsilon) · weight`. Sums are float32 or better in every storage type.
 *
 * With a residual, `residualSum = x + residual` is first rounded to the storage type, and the rounded sum is normalized, as
 * in Hugging Face's models and vLLM's `fused_add_rms_norm` kernel.
 *
 * @param x `[.., n]` float32 in any storage type.
 * @param weight `[n]`, float32 or the storage type of `x`.
 * @returns The normalized rows, or `[normed, residualSum]` with a residual. Both have the shape and storage type of `x`.
 * @throws AttentionError `ERR_SHAPE` and `ERR_DTYPE` for tensors that do not fit `x`, `ERR_RANGE` for an `epsilon` that is
 * not a finite number above 0, `ERR_UNSUPPORTED` for an unknown option.
 * @see Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019; vLLM's `rms_norm` and `fused_add_rms_norm`.
 */
export function rmsNorm(
  x: Tensor,
  weight: Tensor,
  options: RmsNormOptions & { residual: Tensor },
): [normed: Tensor, residualSum: Tensor];
export function rmsNorm(
  x: Tensor,
  weight: Tensor,
  options: RmsNormOptions & { residual?: undefined },
): Tensor;
export function rmsNorm(
  x: Tensor,
  weight: Tensor,
  options: RmsNormOptions,
): Tensor | [normed: Tensor, residualSum: Tensor] {
  checks.keys('options', options, OPTIONS);
  const { epsilon, residual, addUnitOffset = false } = options;
  const [normed, residualSum] = rmsNormOp({ x, weight, residual }, { epsilon, addUnitOffset });
  return residual ? [normed, residualSum] : normed;
}
