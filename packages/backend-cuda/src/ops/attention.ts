import { paramsTable } from '@attention-js/backend-common';
import type { AttentionAttributes, HeadInputs, OutputSpec } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const MAX_WINDOW = 2 ** 30;
const MAX_INT = 2 ** 31 - 1;

/** AttentionParams of kernels/cuda/attention/attention.h, shared by both attention ops. */
const attentionParams = paramsTable('AttentionParams', {
  tokens: 'int32',
  sequences: 'int32',
  heads: 'int32',
  kvHeads: 'int32',
  headSize: 'int32',
  scale: 'float32',
  softcap: 'float32',
  window: 'int32',
  causal: 'bool',
  vllmLayout: 'bool',
  numBlocks: 'int32',
  blockSize: 'int32',
  maxBlocks: 'int32',
  keys: 'int32',
  maskHeads: 'int32',
  maskRows: 'int32',
  maskKeys: 'int32',
  maxQueryLength: 'int32',
  maxContextLength: 'int32',
});

/** Describes the launcher of an attention op. */
export const attentionOperation = (name: 'pagedAttention' | 'varlenAttention') =>
  operation(
    name,
    [
      'query',
      'key',
      'value',
      'output',
      'lse?',
      'blockTables?',
      'contextLens?',
      'cuSeqlensQ?',
      'cuSeqlensK?',
      'alibiSlopes?',
      'sinks?',
      'mask?',
    ],
    attentionParams,
  );

/** A call of an attention op. */
export interface AttentionCall {
  operation: ReturnType<typeof attentionOperation>;
  /** `[tokens, heads, headSize]`. */
  query: TensorInfo;
  /** The cache, or contiguous rows. */
  key: TensorInfo;
  /** Like the key. */
  value: TensorInfo;
  /** Start offsets of the sequences' queries; if undefined, each sequence has one token. */
  cuSeqlensQ: TensorInfo | undefined;
  /** ALiBi slopes and sinks. */
  heads: HeadInputs;
  /** Scale, causality, softcap, window. */
  attrs: AttentionAttributes;
  /** The output and, if there are two, the log-sum-exp. */
  outputs: OutputSpec[];
  /** Number of sequences. */
  sequences: number;
  /** Number of KV heads. */
  kvHeads: number;
  /** Present if keys are in a paged cache. */
  paged?: {
    blockTables: TensorInfo;
    contextLens: TensorInfo;
    layout: 'flash' | 'vllm';
    numBlocks: number;
    blockSize: number;
    maxBlocks: number;
  };
  /** Present if keys are in contiguous rows. */
  contiguous?: { cuSeqlensK: TensorInfo; keys: number; mask: TensorInfo | undefined };
  /** Hints. They affect the choice of kernels and grids, never the result. */
  longest: { query?: number; context?: number };
  /** Upper bound on keys per sequence. */
  maxKeys: number;
}

/** Runs attention and returns its outputs. */
export function attend(backend: CudaBackend, call: AttentionCall): TensorInfo[] {
  const { query, key, value, cuSeqlensQ, attrs, sequences, kvHeads, paged, contiguous, longest } = call;
  const { alibiSlopes, sinks } = call.heads;
  const [tokens, heads, headSize] = query.shape;
  const made = call.outputs.map((spec) => backend.makeOutput(spec));
  const [output, lse] = made;
  const mask = contiguous?.mask;
  const [maskHeads, maskRows, maskKeys] = mask ? [1, 1, 1, ...mask.shape].slice(-3) : [0, 0, 0];
  backend.run(
    call.operation,
    {
      query,
      key,
      value,
      output,
      lse,
      blockTables: paged?.blockTables,
      contextLens: paged?.contextLens,
      cuSeqlensQ,
      cuSeqlensK: contiguous?.cuSeqlensK,
      alibiSlopes,
      sinks,
      mask,
    },
    {
      tokens,
      sequences,
      heads,
      kvHeads,
      headSize,
      scale: attrs.scale,
      softcap: attrs.softcap,
      window: Math.min(attrs.slidingWindow, MAX_WINDOW),
      causal: attrs.causal,
      vllmLayout: paged?.layout === 'vllm',
      numBlocks: paged?.numBlocks ?? 0,
      blockSize: paged?.blockSize ?? 0,
      maxBlocks: paged?.maxBlocks ?? 0,
      keys: contiguous?.keys ?? 0,
      maskHeads,
      maskRows,
      maskKeys,
      maxQueryLength: upperBound(longest.query, tokens),
      maxContextLength: upperBound(longest.context, call.maxKeys),
    },
  );
  return made;
}

/** Clamps a hint to an integer in [1, most]; `most` if there is no usable hint. */
function upperBound(hint: number | undefined, most: number): number {
  const bound = hint !== undefined && hint >= 1 ? Math.min(Math.ceil(hint), most) : most;
  return Math.max(1, Math.min(bound, MAX_INT));
}
