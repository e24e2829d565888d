import type { Tensor, Tensor2D, Tensor3D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { mergeAttentionStatesCpu } from './merge_attention_states.cpu.ts';

/** Inputs of {@link mergeAttentionStates} by name. */
export interface MergeAttentionStatesInputs {
  /** `[parts, tokens, heads, headSize]`. */
  outputs: TensorInfo;
  /** `[parts, tokens, heads]` float32. */
  lses: TensorInfo;
}

const checks = new Checks('mergeAttentionStates');

/** The op behind {@link mergeAttentionStates}, for packages that add a kernel. */
export const mergeAttentionStatesOp = defineCoreOp<MergeAttentionStatesInputs, object>({
  name: 'MergeAttentionStates',
  check({ outputs, lses }) {
    checks.dtype('outputs', outputs, 'float32');
    checks.shape('outputs', outputs, ['parts', 'tokens', 'heads', 'headSize']);
    checks.expectShape(outputs.shape[0] > 0, 'outputs', outputs, 'at least one part');
    checks.storage('lses', lses, 'float32');
    checks.shape('lses', lses, outputs.shape.slice(0, 3), ' to match the first three dimensions of outputs');
  },
  outputs: ({ outputs, lses }) => [
    { shape: outputs.shape.slice(1), dtype: 'float32', storage: storageOf(outputs) },
    { shape: lses.shape.slice(1), dtype: 'float32' },
  ],
  kernels: { cpu: mergeAttentionStatesCpu },
});

/**
 * Merges attention over parts of the keys into attention over all of them: for a prefix that many sequences share and that
 * is attended to once (cascade attention), or for a context that is split.
 *
 * @param outputs `[parts, tokens, heads, headSize]`: the outputs over each part.
 * @param lses `[parts, tokens, heads]` float32: their log-sum-exps (natural logarithm); −∞ for a part with no key.
 * @returns `output` `[tokens, heads, headSize]` in the storage type of `outputs`, and `lse` `[tokens, heads]` float32. A row
 * with no key in any part gives zeros and −∞.
 * @throws AttentionError `ERR_SHAPE`, `ERR_DTYPE` for arguments that do not fit, naming them.
 * @see Ye et al., "Cascade Inference", 2024; FlashInfer's `merge_states`.
 */
export function mergeAttentionStates(outputs: Tensor, lses: Tensor): { output: Tensor3D; lse: Tensor2D } {
  const [output, lse] = mergeAttentionStatesOp({ outputs, lses }, {});
  return { output: output as Tensor3D, lse: lse as Tensor2D };
}
