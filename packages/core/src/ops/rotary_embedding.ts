import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, describe, keysOf } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { checkRotaryEmbeddingValues, rotaryEmbeddingCpu } from './rotary_embedding.cpu.ts';

/** Inputs of {@link rotaryEmbedding} by name. */
export interface RotaryEmbeddingInputs {
  /** `[tokens, heads, headSize]`, float32 in any storage type. */
  query: TensorInfo;
  /** `[tokens, kvHeads, headSize]` in the storage type of `query`. */
  key: TensorInfo;
  /** Int32 `[tokens]`: rows of `cos` and `sin`. */
  positions: TensorInfo;
  /** `[maxPosition, rotaryDim / 2]`, stored as float32. */
  cos: TensorInfo;
  /** Shape of `cos`, stored as float32. */
  sin: TensorInfo;
}

/** Attributes of {@link rotaryEmbedding} by name. */
export interface RotaryEmbeddingAttributes {
  /** Whether a pair is two adjacent elements, instead of one element from each half. */
  interleaved: boolean;
  /** Number of elements of a head that are rotated, from the first on. */
  rotaryDim: number;
}

const checks = new Checks('rotaryEmbedding');
const OPTIONS = keysOf<RotaryEmbeddingAttributes>({ interleaved: true, rotaryDim: true });

/** The op behind {@link rotaryEmbedding}, for packages that add a kernel. */
export const rotaryEmbeddingOp = defineCoreOp<RotaryEmbeddingInputs, RotaryEmbeddingAttributes>({
  name: 'RotaryEmbedding',
  check({ query, key, positions, cos, sin }, { interleaved, rotaryDim }) {
    checks.dtype('query', query, 'float32');
    checks.shape('query', query, ['tokens', 'heads', 'headSize']);
    const [tokens, , headSize] = query.shape;
    checks.sameStorage('key', key, 'query', query);
    checks.shape('key', key, [tokens, 'kvHeads', headSize], ' to match query');
    checks.dtype('positions', positions, 'int32');
    checks.shape('positions', positions, [tokens], ': one position per token');
    checks.oneOf('interleaved', interleaved, [true, false]);
    const even = Number.isInteger(rotaryDim) && rotaryDim % 2 === 0 && rotaryDim > 0;
    if (!even || rotaryDim > headSize) {
      const range = `an even number >= 2 and <= ${headSize}, the head size`;
      checks.fail('ERR_RANGE', 'rotaryDim', range, describe(rotaryDim));
    }
    checks.storage('cos', cos, 'float32');
    checks.shape('cos', cos, ['maxPosition', rotaryDim / 2], ': half of rotaryDim');
    checks.storage('sin', sin, 'float32');
    checks.shape('sin', sin, cos.shape, ' to match cos');
  },
  outputs({ query, key }) {
    const storage = storageOf(query);
    return [
      { shape: query.shape, dtype: 'float32', storage },
      { shape: key.shape, dtype: 'float32', storage },
    ];
  },
  checkValues: checkRotaryEmbeddingValues,
  kernels: { cpu: rotaryEmbeddingCpu },
});

/**
 * Rotary position embedding of queries and keys. Each pair of elements (a, b) of a head becomes
 * `(a · cos − b · sin, b · cos + a · sin)`, with `cos` and `sin` at the token's position and the pair's index i:
 *
 * - `interleaved: false` (default; Llama, GPT-NeoX, "rotate half"): elements i and i + rotaryDim/2.
 * - `interleaved: true` (GPT-J): elements 2i and 2i + 1.
 *
 * Elements from `rotaryDim` on (default: the head size) are copied as they are. `query` and `key` themselves do not change.
 *
 * @param query `[tokens, heads, headSize]` float32 in any storage type.
 * @param key `[tokens, kvHeads, headSize]` in the storage type of `query`.
 * @param positions Int32 `[tokens]`: position of each token in its sequence.
 * @param cos `[maxPosition, rotaryDim / 2]`, stored as float32: the cosines of each position, including any scaling.
 * @param sin Shape and storage of `cos`: the sines.
 * @returns `[query, key]`, rotated, in the storage type of `query`.
 * @throws AttentionError `ERR_SHAPE` and `ERR_DTYPE` for tensors that do not fit; `ERR_RANGE` for a `rotaryDim` that is
 * odd or exceeds the head size, and on `cpu` for a position outside the table; `ERR_UNSUPPORTED` for an unknown option.
 * @see Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021; vLLM's `rotary_embedding`.
 */
export function rotaryEmbedding(
  query: Tensor,
  key: Tensor,
  positions: Tensor,
  cos: Tensor,
  sin: Tensor,
  options: Partial<RotaryEmbeddingAttributes> = {},
): [query: Tensor, key: Tensor] {
  checks.tensor('query', query);
  checks.keys('options', options, OPTIONS);
  const { interleaved = false, rotaryDim } = options;
  const [rotatedQuery, rotatedKey] = rotaryEmbeddingOp(
    { query, key, positions, cos, sin },
    { interleaved, rotaryDim: rotaryDim ?? query.shape[query.shape.length - 1] },
  );
  return [rotatedQuery, rotatedKey];
}
