import type { Tensor, Tensor2D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { checkFusedMoeValues, fusedMoeCpu } from './fused_moe.cpu.ts';

/** Inputs of {@link fusedMoe} by name. */
export interface FusedMoeInputs {
  /** `[tokens, hidden]`. */
  x: TensorInfo;
  /** `[experts, 2 * intermediate, hidden]`: the rows of the gate, then those of the up projection. */
  gateUpWeights: TensorInfo;
  /** `[experts, hidden, intermediate]`. */
  downWeights: TensorInfo;
  /** `[tokens, k]` float32. */
  topkWeights: TensorInfo;
  /** `[tokens, k]` int32. */
  topkIds: TensorInfo;
}

/** The activation of an expert's gate: that of {@link siluAndMul}, or of {@link geluAndMul} without or with `tanh`. */
export type MoeActivation = 'silu' | 'gelu' | 'gelu_tanh';

/** Attributes of {@link fusedMoe}. */
export interface FusedMoeAttributes {
  /** The gate's activation. */
  activation: MoeActivation;
}

const checks = new Checks('fusedMoe');
const OPTIONS = keysOf<FusedMoeAttributes>({ activation: true });

/** The op behind {@link fusedMoe}, for packages that add a kernel. */
export const fusedMoeOp = defineCoreOp<FusedMoeInputs, FusedMoeAttributes>({
  name: 'FusedMoe',
  check({ x, gateUpWeights, downWeights, topkWeights, topkIds }, { activation }) {
    checks.oneOf('activation', activation, ['silu', 'gelu', 'gelu_tanh']);
    checks.shape('x', x, ['tokens', 'hidden']);
    checks.dtype('x', x, 'float32');
    const [tokens, hidden] = x.shape;
    checks.shape('downWeights', downWeights, ['experts', hidden, 'intermediate']);
    checks.weightStorage('downWeights', downWeights, 'x', x);
    const [experts, , intermediate] = downWeights.shape;
    checks.shape('gateUpWeights', gateUpWeights, [experts, 2 * intermediate, hidden]);
    checks.weightStorage('gateUpWeights', gateUpWeights, 'x', x);
    checks.shape('topkIds', topkIds, [tokens, 'k']);
    checks.dtype('topkIds', topkIds, 'int32');
    checks.shape('topkWeights', topkWeights, [tokens, topkIds.shape[1]]);
    checks.storage('topkWeights', topkWeights, 'float32');
  },
  blockInputs: ['gateUpWeights', 'downWeights'],
  outputs: ({ x }) => [{ shape: x.shape, dtype: 'float32', storage: storageOf(x) }],
  checkValues: checkFusedMoeValues,
  kernels: { cpu: fusedMoeCpu },
});

/**
 * The feed-forward part of a mixture of experts in one op. Each expert is a gated MLP,
 * `down · (activation(gate · x) * (up · x))`; a token's result is the weighted sum of its experts' outputs. It
 * computes the same as {@link sortTokensByExpert}, {@link moeGemm}, {@link siluAndMul} or {@link geluAndMul}, and `moeGemm`
 * again.
 *
 * Sums are computed in float32 or better, over a token's experts in a fixed order. On `cpu`, values between the two
 * products are float32, and only the result is rounded to its storage type; a device may round the activated values to
 * the storage type, too. An expert with no tokens costs nothing.
 *
 * @param x `[tokens, hidden]` float32 in any storage type.
 * @param gateUpWeights `[experts, 2 * intermediate, hidden]` in the storage type of `x` or, on `cpu` and `cuda`, in a block type, gate rows first.
 * @param downWeights `[experts, hidden, intermediate]` in the storage type of `x` or, on `cpu` and `cuda`, in a block type.
 * @param topkWeights `[tokens, k]` float32, from {@link topkSoftmax}.
 * @param topkIds `[tokens, k]` int32, from {@link topkSoftmax}.
 * @param options `activation`, `silu` by default.
 * @returns `[tokens, hidden]` in the storage type of `x`.
 * @throws AttentionError `ERR_SHAPE`, `ERR_DTYPE` or `ERR_RANGE` for arguments that do not fit, `ERR_UNSUPPORTED` for an
 * unknown option and for block types on a backend without kernels for them, and on `cpu` `ERR_RANGE` for an expert id out of range. On a device, a token with such an id gives NaN.
 * @see Jiang et al., "Mixtral of Experts", 2024; vLLM's `fused_experts`.
 */
export function fusedMoe(
  x: Tensor,
  gateUpWeights: Tensor,
  downWeights: Tensor,
  topkWeights: Tensor,
  topkIds: Tensor,
  options: Partial<FusedMoeAttributes> = {},
): Tensor2D {
  checks.keys('options', options, OPTIONS);
  const { activation = 'silu' } = options;
  const inputs = { x, gateUpWeights, downWeights, topkWeights, topkIds };
  return fusedMoeOp(inputs, { activation })[0] as Tensor2D;
}
