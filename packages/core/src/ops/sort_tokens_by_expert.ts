import type { Tensor, Tensor1D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { checkSortTokensByExpertValues, sortTokensByExpertCpu } from './sort_tokens_by_expert.cpu.ts';

/** Inputs of {@link sortTokensByExpert} by name. */
export interface SortTokensByExpertInputs {
  /** `[tokens, k]` int32. */
  ids: TensorInfo;
}

/** Attributes of {@link sortTokensByExpertOp}. */
export interface SortTokensByExpertAttributes {
  /** Number of experts; ids are less than it. */
  numExperts: number;
}

/** (token, expert) pairs sorted by expert, as {@link sortTokensByExpert} returns them. */
export interface ExpertOrder {
  /** `[pairs]` int32: pair indices; pair `token * k + j` is choice `j` of the token. */
  sortedTokenIds: Tensor1D;
  /** `[pairs]` int32: the expert of each of these pairs, ascending. */
  expertIds: Tensor1D;
}

/** More than any model has: the kernels count the pairs of each expert. */
const MAX_EXPERTS = 2 ** 16;

const checks = new Checks('sortTokensByExpert');

/** The op behind {@link sortTokensByExpert}, for packages that add a kernel. Outputs: sortedTokenIds, expertIds. */
export const sortTokensByExpertOp = defineCoreOp<SortTokensByExpertInputs, SortTokensByExpertAttributes>({
  name: 'SortTokensByExpert',
  check({ ids }, { numExperts }) {
    checks.shape('ids', ids, ['tokens', 'k']);
    checks.dtype('ids', ids, 'int32');
    checks.integer('numExperts', numExperts, 1, MAX_EXPERTS);
  },
  outputs({ ids: { shape } }) {
    const pairs = shape[0] * shape[1];
    return [
      { shape: [pairs], dtype: 'int32' },
      { shape: [pairs], dtype: 'int32' },
    ];
  },
  checkValues: checkSortTokensByExpertValues,
  kernels: { cpu: sortTokensByExpertCpu },
});

/**
 * Sorts the (token, expert) pairs of a routing by expert, so that {@link moeGemm} reads each expert's weights once. The
 * sort is stable: the pairs of an expert stay in token order.
 *
 * @param ids `[tokens, k]` int32 expert ids, as {@link topkSoftmax} returns them: `tokens * k` pairs.
 * @param numExperts Number of experts.
 * @returns `sortedTokenIds` and `expertIds`, each `[tokens * k]` int32.
 * @throws AttentionError `ERR_SHAPE` or `ERR_DTYPE` for other ids, `ERR_RANGE` for `numExperts` below 1 or above 65536, and on `cpu`
 * `ERR_RANGE` for an id out of range. A device sorts such a pair last, with expert −1.
 * @see vLLM's `moe_align_block_size`, here without padding.
 */
export function sortTokensByExpert(ids: Tensor, numExperts: number): ExpertOrder {
  const [sortedTokenIds, expertIds] = sortTokensByExpertOp({ ids }, { numExperts });
  return { sortedTokenIds: sortedTokenIds as Tensor1D, expertIds: expertIds as Tensor1D };
}
