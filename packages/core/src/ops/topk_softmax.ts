import type { Tensor, Tensor2D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { topkSoftmaxCpu } from './topk_softmax.cpu.ts';

/** Inputs of {@link topkSoftmax} by name. */
export interface TopkSoftmaxInputs {
  /** `[tokens, experts]`. */
  routerLogits: TensorInfo;
}

/** Attributes of {@link topkSoftmaxOp}. */
export interface TopkSoftmaxAttributes {
  /** Number of experts per token. */
  k: number;
  /** Whether the weights of a token's `k` experts are scaled to sum to 1. */
  renormalize: boolean;
}

/** Options of {@link topkSoftmax}. */
export type TopkSoftmaxOptions = Partial<Pick<TopkSoftmaxAttributes, 'renormalize'>>;

/** The experts of every token, as {@link topkSoftmax} returns them. */
export interface ExpertRouting {
  /** `[tokens, k]` float32: the weight of each expert, largest first. */
  weights: Tensor2D;
  /** `[tokens, k]` int32: the expert ids. */
  ids: Tensor2D;
}

const checks = new Checks('topkSoftmax');
const OPTIONS = keysOf<TopkSoftmaxOptions>({ renormalize: true });

/** The op behind {@link topkSoftmax}, for packages that add a kernel. Outputs: weights, ids. */
export const topkSoftmaxOp = defineCoreOp<TopkSoftmaxInputs, TopkSoftmaxAttributes>({
  name: 'TopkSoftmax',
  check({ routerLogits }, { k, renormalize }) {
    checks.shape('routerLogits', routerLogits, ['tokens', 'experts']);
    checks.dtype('routerLogits', routerLogits, 'float32');
    checks.integer('k', k, 1, routerLogits.shape[1]);
    checks.oneOf('renormalize', renormalize, [true, false]);
  },
  outputs({ routerLogits }, { k }) {
    const shape = [routerLogits.shape[0], k];
    return [
      { shape, dtype: 'float32' },
      { shape, dtype: 'int32' },
    ];
  },
  kernels: { cpu: topkSoftmaxCpu },
});

/**
 * Routes tokens to experts: softmax over all experts, then the `k` largest of each token. Ties go to the lower expert id.
 * The softmax is computed in float32 or better for every storage type of the logits.
 *
 * @param routerLogits `[tokens, experts]` float32 in any storage type. -Infinity excludes an expert for a token.
 * @param k Experts per token, 1 to `experts`.
 * @param options `renormalize`: divide the weights of a token's experts by their sum (`norm_topk_prob` in Hugging Face
 * configurations; Mixtral always does). Default `false`.
 * @returns `weights` `[tokens, k]` float32 in descending order and `ids` `[tokens, k]` int32. A token whose logits hold NaN or
 * have no finite maximum gets NaN weights, and ids within range.
 * @throws AttentionError `ERR_SHAPE` or `ERR_DTYPE` for other logits, `ERR_RANGE` for a `k` out of range, `ERR_UNSUPPORTED` for
 * an unknown option.
 * @see Jiang et al., "Mixtral of Experts", 2024; vLLM's `topk_softmax`.
 */
export function topkSoftmax(
  routerLogits: Tensor,
  k: number,
  options: TopkSoftmaxOptions = {},
): ExpertRouting {
  checks.keys('options', options, OPTIONS);
  const { renormalize = false } = options;
  const [weights, ids] = topkSoftmaxOp({ routerLogits }, { k, renormalize });
  return { weights: weights as Tensor2D, ids: ids as Tensor2D };
}
