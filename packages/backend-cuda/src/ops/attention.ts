import type { AttentionAttributes, HeadInputs, OutputSpec } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend, OperationArgument } from '../cuda_backend.ts';

const MAX_WINDOW = 2 ** 30;
const MAX_INT = 2 ** 31 - 1;

/** A call of one of the two attention bindings; native/cuda/attention_arguments.h has the order of their arguments. */
export interface AttentionCall {
  binding: 'pagedAttention' | 'varlenAttention';
  /** `[tokens, heads, headSize]`. */
  query: TensorInfo;
  /** Cache, or contiguous rows. */
  key: TensorInfo;
  /** Like the key. */
  value: TensorInfo;
  /** Bounds of the sequences' queries; one token a sequence where it is left out. */
  cuSeqlensQ: TensorInfo | undefined;
  /** Slopes and sinks. */
  heads: HeadInputs;
  /** Scale, causality, softcap, window. */
  attrs: AttentionAttributes;
  /** The output and, where there are two, the log-sum-exp. */
  outputs: OutputSpec[];
  /** Number of sequences. */
  sequences: number;
  /** Number of KV heads. */
  kvHeads: number;
  /** What describes the keys, in the binding's order: tensors and sizes. */
  keys: readonly OperationArgument[];
  /** Hints: they choose kernels and grids, never the result. */
  longest: { query?: number; context?: number };
  /** Keys that there are at most for a sequence. */
  maxKeys: number;
}

/** Runs attention. */
export function attend(backend: CudaBackend, call: AttentionCall): TensorInfo[] {
  const { query, attrs, longest, maxKeys } = call;
  const { alibiSlopes, sinks } = call.heads;
  const [tokens, heads, headSize] = query.shape;
  const made = call.outputs.map((spec) => backend.makeOutput(spec));
  const [output, lse] = made;
  const tensors = [query, call.key, call.value, output, lse, call.cuSeqlensQ, alibiSlopes, sinks];
  const sizes = [tokens, call.sequences, heads, call.kvHeads, headSize];
  const options = [attrs.scale, attrs.softcap, Math.min(attrs.slidingWindow, MAX_WINDOW), attrs.causal];
  const hints = [upperBound(longest.query, tokens), upperBound(longest.context, maxKeys), forcedSplits];
  backend.run(call.binding, [...tensors, ...sizes, ...options, ...hints, ...call.keys]);
  return made;
}

/** A hint that a kernel can count on to be an integer in [1, most]. */
function upperBound(hint: number | undefined, most: number): number {
  const bound = hint !== undefined && hint >= 1 ? Math.min(Math.ceil(hint), most) : most;
  return Math.max(1, Math.min(bound, MAX_INT));
}

/** How many parts the keys are split into; 0 leaves it to the launcher. */
let forcedSplits = 0;

/** Forces a number of splits, in tests; those of a process can begin with `ATTENTION_CUDA_SPLITS`. */
export function forceSplits(splits: number): void {
  forcedSplits = Number.isInteger(splits) && splits > 0 ? splits : 0;
}

forceSplits(Number(process.env.ATTENTION_CUDA_SPLITS)); // once: reading the environment takes as long as a launch
