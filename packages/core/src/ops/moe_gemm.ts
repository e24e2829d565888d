import type { Tensor, Tensor2D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { checkMoeGemmValues, moeGemmCpu } from './moe_gemm.cpu.ts';

/** Inputs of {@link moeGemm} by name. P pairs of token and expert, E experts. */
export interface MoeGemmInputs {
  /** `[tokens, K]` or `[P, K]`, see {@link MoeGemmAttributes.input}. */
  x: TensorInfo;
  /** `[E, N, K]`. */
  weights: TensorInfo;
  /** `[P]` int32. */
  sortedTokenIds: TensorInfo;
  /** `[P]` int32, ascending. */
  expertIds: TensorInfo;
  /** `[tokens, topk]` float32: factor of each pair's output row. */
  topkWeights?: TensorInfo;
}

/** Attributes of {@link moeGemmOp}. */
export interface MoeGemmAttributes {
  /** Experts per token: pair `p` belongs to token `floor(p / topk)`. */
  topk: number;
  /**
   * The rows of `x`. `tokens`: one row per token, which all its pairs read (gate and up projections); `pairs`: one row per
   * pair (down projection).
   */
  input: 'tokens' | 'pairs';
}

/** Options of {@link moeGemm}. */
export interface MoeGemmOptions extends MoeGemmAttributes {
  /** `[tokens, topk]` float32: multiplies each pair's output row. */
  topkWeights?: Tensor;
}

const checks = new Checks('moeGemm');
const OPTIONS = keysOf<MoeGemmOptions>({ topk: true, input: true, topkWeights: true });

/** The op behind {@link moeGemm}, for packages that add a kernel. */
export const moeGemmOp = defineCoreOp<MoeGemmInputs, MoeGemmAttributes>({
  name: 'MoeGemm',
  check({ x, weights, sortedTokenIds, expertIds, topkWeights }, { topk, input }) {
    checks.integer('topk', topk, 1);
    checks.oneOf('input', input, ['tokens', 'pairs']);
    checks.dtype('x', x, 'float32');
    checks.shape('weights', weights, ['experts', 'N', 'K']);
    checks.weightStorage('weights', weights, 'x', x);
    checks.dtype('sortedTokenIds', sortedTokenIds, 'int32');
    checks.dtype('expertIds', expertIds, 'int32');
    const pairs = sortedTokenIds.shape[0];
    const wholeTokens = sortedTokenIds.shape.length === 1 && pairs % topk === 0;
    const tokensTimesTopk = `shape [pairs] with pairs a multiple of topk ${topk}`;
    checks.expectShape(wholeTokens, 'sortedTokenIds', sortedTokenIds, tokensTimesTopk);
    checks.shape('expertIds', expertIds, [pairs]);
    const tokens = pairs / topk;
    checks.shape('x', x, [input === 'tokens' ? tokens : pairs, weights.shape[2]]);
    if (topkWeights) {
      checks.shape('topkWeights', topkWeights, [tokens, topk]);
      checks.storage('topkWeights', topkWeights, 'float32');
    }
  },
  optional: ['topkWeights'],
  blockInputs: ['weights'],
  outputs: ({ x, weights, sortedTokenIds }) => [
    { shape: [sortedTokenIds.shape[0], weights.shape[1]], dtype: 'float32', storage: storageOf(x) },
  ],
  checkValues: checkMoeGemmValues,
  kernels: { cpu: moeGemmCpu },
});

/**
 * Grouped matrix product of a mixture of experts: the row of each (token, expert) pair times the transposed matrix of
 * its expert. An expert with no pairs costs nothing.
 *
 * Sums are computed in float32 or better, multiplied by `topkWeights`, and rounded once.
 *
 * @param x Float32 in any storage type: `[tokens, K]` for `input: 'tokens'`, `[pairs, K]` for `'pairs'`, with
 * `pairs = tokens * topk`.
 * @param weights `[experts, N, K]` in the storage type of `x` or, on `cpu` and `cuda`, in a block type.
 * @param sortedTokenIds `[pairs]` int32, from {@link sortTokensByExpert}.
 * @param expertIds `[pairs]` int32, from {@link sortTokensByExpert}.
 * @param options `topk`, `input` and, optionally, `topkWeights`.
 * @returns `[pairs, N]` in the storage type of `x`: row `p` is pair `p`, whatever the order of `sortedTokenIds`.
 * @throws AttentionError `ERR_SHAPE`, `ERR_DTYPE` or `ERR_RANGE` for arguments that do not fit, `ERR_UNSUPPORTED` for an
 * unknown option and for block types on a backend without kernels for them, and on `cpu` `ERR_RANGE` for a missing pair, or an expert id out of range or order. On a device, expert −1,
 * to which {@link sortTokensByExpert} maps an id out of range, gives NaN rows.
 * @see vLLM's `fused_moe` kernel; Gale et al., "MegaBlocks", 2022.
 */
export function moeGemm(
  x: Tensor,
  weights: Tensor,
  sortedTokenIds: Tensor,
  expertIds: Tensor,
  options: MoeGemmOptions,
): Tensor2D {
  checks.keys('options', options, OPTIONS);
  const { topk, input, topkWeights } = options;
  const inputs = { x, weights, sortedTokenIds, expertIds, topkWeights };
  return moeGemmOp(inputs, { topk, input })[0] as Tensor2D;
}
