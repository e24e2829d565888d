import type { Tensor, Tensor2D, Tensor3D, TensorInfo } from '@tensorflow/tfjs-core';
import { INPUT_METADATA } from '../cache/input_metadata.ts';
import { Checks, countOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import type { OpTensors } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import {
  attentionAttributes,
  checkAttentionOptions,
  checkHeadInputs,
  checkQuery,
  withHeadTensors,
} from './attention_options.ts';
import type { AttentionAttributes, AttentionOptions, HeadInputs } from './attention_options.ts';
import { checkCacheLayout } from './cache_layout.ts';
import { checkPagedAttentionValues, pagedAttentionCpu } from './paged_attention.cpu.ts';

/** Which tokens of a step belong to which sequence, and where its cache blocks are. Made once per step, for all layers. */
export interface AttentionMetadata {
  /** `[sequences, maxBlocks]` int32: the cache blocks of each sequence in order; entries past its last are ignored. */
  blockTables: Tensor;
  /** `[sequences]` int32: tokens of each sequence in the cache, this step's included; 0 for padding. */
  contextLens: Tensor;
  /**
   * `[sequences + 1]` int32: where each sequence's query rows start, non-decreasing from 0. Rows past the last are
   * padding. Absent: one query row per sequence (decode).
   */
  cuSeqlensQ?: Tensor;
  /** Hint: the longest query. Too small is slower, never wrong. */
  maxSeqlenQ?: number;
  /** Hint: the longest context. Too small is slower, never wrong. */
  maxContextLen?: number;
}

/** Inputs of {@link pagedAttention} by name. */
export interface PagedAttentionInputs extends HeadInputs {
  /** `[tokens, heads, headSize]`. */
  query: TensorInfo;
  /** Keys in layout `flash` or `vllm`. */
  keyCache: TensorInfo;
  /** Values in the same layout. */
  valueCache: TensorInfo;
  /** `[sequences, maxBlocks]` int32. */
  blockTables: TensorInfo;
  /** `[sequences]` int32. */
  contextLens: TensorInfo;
  /** `[sequences + 1]` int32. */
  cuSeqlensQ?: TensorInfo;
}

/** Attributes of {@link pagedAttention}. */
export interface PagedAttentionAttributes extends AttentionAttributes {
  /** Whether the log-sum-exp is a second output. */
  withLse: boolean;
  /** Hint: the longest query. */
  maxSeqlenQ?: number;
  /** Hint: the longest context. */
  maxContextLen?: number;
}

const checks = new Checks('pagedAttention');

/** The op behind {@link pagedAttention} and {@link pagedAttentionWithLse}, for packages that add a kernel. */
export const pagedAttentionOp = defineCoreOp<PagedAttentionInputs, PagedAttentionAttributes>({
  name: 'PagedAttention',
  check(inputs, { maxSeqlenQ, maxContextLen }) {
    const { query, keyCache, valueCache, blockTables, contextLens, cuSeqlensQ } = inputs;
    const { numKvHeads, headSize } = checkCacheLayout(checks, keyCache, valueCache);
    const [tokens, heads] = query.shape;
    checkQuery(checks, query, numKvHeads, headSize);
    checks.sameStorage('query', query, 'keyCache', keyCache);
    checks.dtype('blockTables', blockTables, 'int32');
    checks.dtype('contextLens', contextLens, 'int32');
    checks.shape('contextLens', contextLens, ['sequences']);
    const [sequences] = contextLens.shape;
    checks.shape('blockTables', blockTables, [sequences, 'maxBlocks'], ': one row per sequence');
    if (cuSeqlensQ) {
      checks.dtype('cuSeqlensQ', cuSeqlensQ, 'int32');
      checks.shape('cuSeqlensQ', cuSeqlensQ, [sequences + 1], ': sequences + 1');
    } else if (tokens !== sequences) {
      const expected = `${countOf(sequences, 'token')}, one per sequence without cuSeqlensQ`;
      checks.fail('ERR_SHAPE', 'query', expected, tokens);
    }
    checkHeadInputs(checks, inputs, heads);
    checks.hint('maxSeqlenQ', maxSeqlenQ);
    checks.hint('maxContextLen', maxContextLen);
  },
  optional: ['cuSeqlensQ', 'alibiSlopes', 'sinks'],
  outputs({ query }, { withLse }) {
    const output = { shape: query.shape, dtype: 'float32' as const, storage: storageOf(query) };
    return withLse ? [output, { shape: query.shape.slice(0, 2), dtype: 'float32' }] : [output];
  },
  checkValues: checkPagedAttentionValues,
  kernels: { cpu: pagedAttentionCpu },
});

/** Makes the op's inputs and attributes of the function's arguments, and passes them to `call`. */
function withInputs<T>(
  query: Tensor,
  keyCache: Tensor,
  valueCache: Tensor,
  metadata: AttentionMetadata,
  options: AttentionOptions,
  withLse: boolean,
  call: (inputs: OpTensors<PagedAttentionInputs>, attrs: PagedAttentionAttributes) => T,
): T {
  checks.tensor('query', query);
  checkAttentionOptions(checks, options);
  checks.keys('metadata', metadata, INPUT_METADATA); // an InputMetadata that serves all ops of the step serves this one, too
  const { blockTables, contextLens, cuSeqlensQ, maxSeqlenQ, maxContextLen } = metadata;
  const shape: number[] = query.shape;
  const { scale, causal, softcap, slidingWindow } = attentionAttributes(options, shape[2]);
  const attrs = { scale, causal, softcap, slidingWindow, withLse, maxSeqlenQ, maxContextLen };
  return withHeadTensors(checks, options, ({ alibiSlopes, sinks }) =>
    call({ query, keyCache, valueCache, blockTables, contextLens, cuSeqlensQ, alibiSlopes, sinks }, attrs),
  );
}

/** Throws what {@link pagedAttention} would throw for these arguments; for what writes to the cache before it. */
export function checkPagedAttention(
  query: Tensor,
  keyCache: Tensor,
  valueCache: Tensor,
  metadata: AttentionMetadata,
  options: AttentionOptions,
): void {
  withInputs(query, keyCache, valueCache, metadata, options, false, pagedAttentionOp.check);
}

/**
 * Attention of a step's queries over a paged KV cache: prefill, chunked prefill, decode, and batches that mix them.
 *
 * This step's keys and values must be in the cache already (`reshapeAndCache`). Query i of a sequence with n queries
 * and context length L is at position L − n + i. Rows with no key to attend to, padding rows and sequences of length 0
 * give zeros. Scores and softmax are float32 or better for every storage type.
 *
 * @param query `[tokens, heads, headSize]`, heads a multiple of the cache's KV heads (GQA, MQA).
 * @param keyCache Keys: `[numBlocks, blockSize, kvHeads, headSize]`, or vLLM's layout
 * `[numBlocks, kvHeads, headSize / x, blockSize, x]` with x = 16 / bytes per element. The storage type of `query`.
 * @param valueCache Values: as the keys, or in vLLM's layout `[numBlocks, kvHeads, headSize, blockSize]`.
 * @param metadata See {@link AttentionMetadata}.
 * @param options See {@link AttentionOptions}.
 * @returns `[tokens, heads, headSize]` in the storage type of `query`.
 * @throws AttentionError `ERR_SHAPE`, `ERR_DTYPE`, `ERR_RANGE` for arguments that do not fit, naming them; `ERR_RANGE`
 * on `cpu` for a block table entry that is needed and out of range, and for a context length that is not 0 and smaller
 * than the query length; `ERR_UNSUPPORTED` for an unsupported block or head size, and for an unknown option.
 * @see Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023; Dao,
 * "FlashAttention-2", 2023; the semantics of flash-attn's `flash_attn_varlen_func` with `block_table`.
 */
export function pagedAttention(
  query: Tensor,
  keyCache: Tensor,
  valueCache: Tensor,
  metadata: AttentionMetadata,
  options: AttentionOptions = {},
): Tensor3D {
  const [output] = withInputs(query, keyCache, valueCache, metadata, options, false, pagedAttentionOp);
  return output as Tensor3D;
}

/**
 * {@link pagedAttention} that also returns the log-sum-exp of each row, for `mergeAttentionStates`.
 *
 * @returns `output` `[tokens, heads, headSize]`, and `lse` `[tokens, heads]` float32: the natural logarithm of the
 * softmax's denominator, sinks included; −∞ for a row with no key to attend to.
 * @throws AttentionError as {@link pagedAttention}.
 */
export function pagedAttentionWithLse(
  query: Tensor,
  keyCache: Tensor,
  valueCache: Tensor,
  metadata: AttentionMetadata,
  options: AttentionOptions = {},
): { output: Tensor3D; lse: Tensor2D } {
  const [output, lse] = withInputs(query, keyCache, valueCache, metadata, options, true, pagedAttentionOp);
  return { output: output as Tensor3D, lse: lse as Tensor2D };
}
