import type { Tensor, Tensor3D, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import {
  ATTENTION_OPTIONS,
  attentionAttributes,
  checkAttentionOptions,
  checkHeadInputs,
  checkQuery,
  withHeadTensors,
} from './attention_options.ts';
import type { AttentionAttributes, AttentionOptions, HeadInputs } from './attention_options.ts';
import { checkHeadSize } from './cache_layout.ts';
import { checkVarlenAttentionValues, varlenAttentionCpu } from './varlen_attention.cpu.ts';

/** Where each sequence's rows start in the packed queries and the packed keys. */
export interface VarlenMetadata {
  /** `[sequences + 1]` int32: non-decreasing from 0; query rows past the last are padding. */
  cuSeqlensQ: Tensor;
  /** `[sequences + 1]` int32: the same for keys and values. */
  cuSeqlensK: Tensor;
  /** Hint: the longest query. Too small is slower, never wrong. */
  maxSeqlenQ?: number;
  /** Hint: the longest run of keys. Too small is slower, never wrong. */
  maxSeqlenK?: number;
}

/** {@link AttentionOptions}, and a mask, which is supported only for contiguous keys. */
export interface VarlenAttentionOptions extends AttentionOptions {
  /**
   * float32, broadcastable to `[heads, query rows, key rows]` of the packed batch: added to the scores, after softcap
   * and ALiBi and on top of causality. −∞ hides a key.
   */
  attentionMask?: Tensor;
}

/** Inputs of {@link varlenAttention} by name. */
export interface VarlenAttentionInputs extends HeadInputs {
  /** `[query rows, heads, headSize]`. */
  query: TensorInfo;
  /** `[key rows, kvHeads, headSize]`. */
  key: TensorInfo;
  /** `[key rows, kvHeads, headSize]`. */
  value: TensorInfo;
  /** `[sequences + 1]` int32. */
  cuSeqlensQ: TensorInfo;
  /** `[sequences + 1]` int32. */
  cuSeqlensK: TensorInfo;
  /** float32, broadcastable to `[heads, query rows, key rows]`. */
  attentionMask?: TensorInfo;
}

/** Attributes of {@link varlenAttention}. */
export interface VarlenAttentionAttributes extends AttentionAttributes {
  /** Hint: the longest query. */
  maxSeqlenQ?: number;
  /** Hint: the longest run of keys. */
  maxSeqlenK?: number;
}

const checks = new Checks('varlenAttention');
const OPTIONS = [...ATTENTION_OPTIONS, 'attentionMask'];
const METADATA = keysOf<VarlenMetadata>({
  cuSeqlensQ: true,
  cuSeqlensK: true,
  maxSeqlenQ: true,
  maxSeqlenK: true,
});

/** The op behind {@link varlenAttention}, for packages that add a kernel. */
export const varlenAttentionOp = defineCoreOp<VarlenAttentionInputs, VarlenAttentionAttributes>({
  name: 'VarlenAttention',
  check(inputs, { maxSeqlenQ, maxSeqlenK }) {
    const { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask } = inputs;
    checks.shape('key', key, ['keys', 'kvHeads', 'headSize']);
    const [keys, kvHeads, headSize] = key.shape;
    checks.expectShape(kvHeads > 0, 'key', key, 'at least one KV head');
    checkHeadSize(checks, 'key', headSize);
    checks.shape('value', value, key.shape, ' to match key');
    const heads = query.shape[1];
    checkQuery(checks, query, kvHeads, headSize);
    checks.dtype('query', query, 'float32');
    checks.sameStorage('key', key, 'query', query);
    checks.sameStorage('value', value, 'query', query);
    checks.dtype('cuSeqlensQ', cuSeqlensQ, 'int32');
    checks.expectShape(
      cuSeqlensQ.shape.length === 1 && cuSeqlensQ.shape[0] > 0,
      'cuSeqlensQ',
      cuSeqlensQ,
      'shape [sequences + 1]',
    );
    checks.dtype('cuSeqlensK', cuSeqlensK, 'int32');
    checks.shape('cuSeqlensK', cuSeqlensK, cuSeqlensQ.shape, ' to match cuSeqlensQ');
    if (attentionMask) checkMask(attentionMask, [heads, query.shape[0], keys]);
    checkHeadInputs(checks, inputs, heads);
    checks.hint('maxSeqlenQ', maxSeqlenQ);
    checks.hint('maxSeqlenK', maxSeqlenK);
  },
  optional: ['attentionMask', 'alibiSlopes', 'sinks'],
  outputs: ({ query }) => [{ shape: query.shape, dtype: 'float32', storage: storageOf(query) }],
  checkValues: checkVarlenAttentionValues,
  kernels: { cpu: varlenAttentionCpu },
});

function checkMask(mask: TensorInfo, full: number[]): void {
  const { shape } = mask;
  const trailing = full.slice(full.length - shape.length);
  const broadcasts = shape.length <= 3 && shape.every((size, axis) => size === 1 || size === trailing[axis]);
  checks.storage('attentionMask', mask, 'float32');
  checks.expectShape(broadcasts, 'attentionMask', mask, `shape broadcastable to [${full.join(', ')}]`);
}

/**
 * Attention over contiguous keys and values of several sequences packed one after another, without a cache.
 *
 * The last query row of a sequence is at its last key. Everything else is as in `pagedAttention`.
 *
 * @param query `[query rows, heads, headSize]`, heads a multiple of KV heads.
 * @param key `[key rows, kvHeads, headSize]` in the storage type of `query`.
 * @param value `[key rows, kvHeads, headSize]` in the storage type of `query`.
 * @param metadata See {@link VarlenMetadata}.
 * @param options See {@link VarlenAttentionOptions}.
 * @returns `[query rows, heads, headSize]` in the storage type of `query`.
 * @throws AttentionError `ERR_SHAPE`, `ERR_DTYPE`, `ERR_RANGE` for arguments that do not fit, naming them; `ERR_RANGE`
 * on `cpu` for starts that decrease or exceed the number of rows; `ERR_UNSUPPORTED` for an unsupported head size, and for
 * an unknown option.
 * @see Dao, "FlashAttention-2", 2023; the semantics of flash-attn's `flash_attn_varlen_func`.
 */
export function varlenAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  metadata: VarlenMetadata,
  options: VarlenAttentionOptions = {},
): Tensor3D {
  checks.tensor('query', query);
  checkAttentionOptions(checks, options, OPTIONS);
  checks.keys('metadata', metadata, METADATA);
  const { cuSeqlensQ, cuSeqlensK, maxSeqlenQ, maxSeqlenK } = metadata;
  const shape: number[] = query.shape;
  const attrs = { ...attentionAttributes(options, shape[2]), maxSeqlenQ, maxSeqlenK };
  const { attentionMask } = options;
  const inputs = { query, key, value, cuSeqlensQ, cuSeqlensK, attentionMask };
  return withHeadTensors(checks, options, (heads) =>
    varlenAttentionOp({ ...inputs, ...heads }, attrs),
  )[0] as Tensor3D;
}
