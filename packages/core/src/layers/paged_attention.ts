import { tidy } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import { INPUT_METADATA } from '../cache/input_metadata.ts';
import type { InputMetadata } from '../cache/input_metadata.ts';
import type { LayerCache } from '../cache/paged_kv_cache.ts';
import { Checks, describe, keysOf } from '../checks.ts';
import { checkAttentionOptions } from '../ops/attention_options.ts';
import type { AttentionOptions } from '../ops/attention_options.ts';
import { checkPagedAttention, pagedAttention } from '../ops/paged_attention.ts';
import { reshapeAndCache } from '../ops/reshape_and_cache.ts';
import { varlenAttention } from '../ops/varlen_attention.ts';
import { checkHeadLayout, fromTokens, headLayoutOf, toTokens } from './head_layout.ts';
import { packedLengths, queryLengths } from './sequence_lengths.ts';
import type { QueryLengths } from './sequence_lengths.ts';

/** Options of a {@link PagedAttention} layer, which apply to all calls. */
export interface PagedAttentionOptions {
  /** Query heads, H. */
  numHeads: number;
  /** Elements per head, D. */
  headSize: number;
  /** Factor of every score. Default 1 / √headSize. */
  scale?: number;
  /** KV heads, a divisor of `numHeads`. Default `numHeads`. */
  numKvHeads?: number;
  /** Number of newest keys that a query attends to, including its own. Default: all. */
  slidingWindow?: number;
  /** `[numHeads]` ALiBi slopes. A tensor stays the caller's. */
  alibiSlopes?: Tensor | number[];
  /** `[numHeads]` attention sinks. A tensor stays the caller's. */
  sinks?: Tensor | number[];
}

/** Arguments of {@link PagedAttention.forward}. */
export interface PagedAttentionForward {
  /** `[T, H, D]`, `[T, H*D]`, `[B, S, H*D]` or `[B, H, S, D]`. */
  query: Tensor;
  /** In the layout of `query`, with KV heads. */
  key: Tensor;
  /** Shape of `key`. */
  value: Tensor;
  /** The layer's keys, `PagedKVCache.layer`. Without a cache, queries attend only to `key` and `value`. */
  keyCache?: Tensor;
  /** The layer's values. */
  valueCache?: Tensor;
  /** Which token belongs to which sequence, and its slot. */
  metadata: InputMetadata;
  /** `softcap · tanh(score / softcap)`. Default: off. */
  softcap?: number;
  /**
   * float32, broadcastable to `[H, T, K]`, where T and K are the packed query and key tokens of the batch. Added to the
   * scores, in addition to causal masking. Only without a cache.
   */
  attentionMask?: Tensor;
}

const OPTIONS = keysOf<PagedAttentionOptions>({
  numHeads: true,
  headSize: true,
  scale: true,
  numKvHeads: true,
  slidingWindow: true,
  alibiSlopes: true,
  sinks: true,
});

const FORWARD = keysOf<PagedAttentionForward>({
  query: true,
  key: true,
  value: true,
  keyCache: true,
  valueCache: true,
  metadata: true,
  softcap: true,
  attentionMask: true,
});

const checks = new Checks('PagedAttention');
const forwardChecks = new Checks('PagedAttention.forward');

/**
 * The attention of a decoder layer, from projected queries, keys and values to its output: prefill, chunked prefill,
 * decode and batches that mix them.
 *
 * With a cache, it always writes this step's keys and values to `metadata.slotMapping` (in place) and attends from the
 * cache. Without one, it attends to `key` and `value`.
 *
 * `metadata.cuSeqlensQ` gives the number of query tokens per sequence. Without it, if `isPrefill`, `[B, S, ..]` and
 * `[B, H, S, D]` are B sequences of S tokens, and `[T, ..]` is one sequence; otherwise every token is its own sequence
 * (decode), and S must be 1.
 *
 * @see attention.rs's and vLLM's layer of the same name.
 */
export class PagedAttention {
  readonly #numHeads: number;
  readonly #numKvHeads: number;
  readonly #headSize: number;
  readonly #options: AttentionOptions;

  /** @throws AttentionError `ERR_RANGE` for sizes below 1, and when `numHeads` is no multiple of `numKvHeads`; `ERR_UNSUPPORTED` for an unknown option. */
  constructor(options: PagedAttentionOptions) {
    checks.keys('options', options, OPTIONS);
    const { numHeads, headSize, numKvHeads = numHeads, scale, slidingWindow, alibiSlopes, sinks } = options;
    checks.integer('numHeads', numHeads, 1);
    checks.integer('numKvHeads', numKvHeads, 1);
    checks.integer('headSize', headSize, 1);
    const multiple = numHeads % numKvHeads === 0;
    checks.expect(multiple, 'ERR_RANGE', 'numHeads', `a multiple of numKvHeads ${numKvHeads}`, numHeads);
    this.#numHeads = numHeads;
    this.#numKvHeads = numKvHeads;
    this.#headSize = headSize;
    this.#options = { scale, slidingWindow, alibiSlopes, sinks };
    checkAttentionOptions(checks, this.#options);
  }

  /**
   * Runs the layer.
   *
   * @returns The output, in the shape and storage type of `query`.
   * @throws AttentionError `ERR_SHAPE` for shapes that do not match or are ambiguous;
   * `ERR_DTYPE` if a required tensor is missing or has the wrong type; `ERR_UNSUPPORTED` for unknown names and for
   * `attentionMask` with a cache; and those of `reshapeAndCache`, `pagedAttention` and `varlenAttention`.
   */
  forward(inputs: PagedAttentionForward): Tensor {
    forwardChecks.keys('inputs', inputs, FORWARD);
    const { query, key, value, keyCache, valueCache, metadata, softcap, attentionMask } = inputs;
    checks.tensor('query', query);
    checks.tensor('key', key);
    checks.tensor('value', value);
    checks.keys('metadata', metadata, INPUT_METADATA);
    checkAttentionOptions(checks, { softcap });
    const layout = headLayoutOf(checks, query, this.#numHeads, this.#headSize);
    checkHeadLayout(checks, 'key', key, layout, this.#numKvHeads, this.#headSize);
    checks.shape('value', value, key.shape, ' to match key');
    if (attentionMask && (keyCache || valueCache)) {
      const expected = 'no mask with a cache';
      checks.fail('ERR_UNSUPPORTED', 'attentionMask', expected, describe(attentionMask));
    }

    return tidy(() => {
      const packed: TokenTensors = {
        query: toTokens(query, layout, this.#numHeads, this.#headSize),
        key: toTokens(key, layout, this.#numKvHeads, this.#headSize),
        value: toTokens(value, layout, this.#numKvHeads, this.#headSize),
      };
      const tokens = { query: packed.query.shape[0], key: packed.key.shape[0] };
      let output: Tensor3D;
      if (keyCache || valueCache) {
        const lengths = queryLengths(checks, metadata, query, layout, tokens.query);
        const cache = {
          keyCache: needed('keyCache', keyCache),
          valueCache: needed('valueCache', valueCache),
        };
        const { scale, slidingWindow, alibiSlopes, sinks } = this.#options;
        const options = { scale, softcap, slidingWindow, alibiSlopes, sinks };
        output = attendFromCache(packed, cache, metadata, lengths, options);
      } else {
        const lengths = packedLengths(checks, metadata, { query, key }, layout, tokens);
        const options = { ...this.#options, softcap, attentionMask };
        output = varlenAttention(packed.query, packed.key, packed.value, lengths, options);
      }
      return fromTokens(output, layout, query.shape);
    });
  }
}

/** A call's tensors as `[tokens, heads, headSize]`. */
interface TokenTensors {
  query: Tensor3D;
  key: Tensor3D;
  value: Tensor3D;
}

function needed<T extends Tensor>(argument: string, tensor: T | undefined): T {
  checks.tensor(argument, tensor);
  return tensor as T;
}

function attendFromCache(
  { query, key, value }: TokenTensors,
  { keyCache, valueCache }: LayerCache,
  metadata: InputMetadata,
  { sequences, cuSeqlensQ, maxSeqlenQ }: QueryLengths,
  options: AttentionOptions,
): Tensor3D {
  const slotMapping = needed('metadata.slotMapping', metadata.slotMapping);
  const blockTables = needed('metadata.blockTables', metadata.blockTables);
  const contextLens = needed('metadata.contextLens', metadata.contextLens);
  const { maxContextLen } = metadata;
  checks.shape('metadata.contextLens', contextLens, [sequences], ': one per sequence of query');
  checks.shape('key', key, [query.shape[0], key.shape[1], key.shape[2]], ': one row per token of query');
  const attention = { blockTables, contextLens, cuSeqlensQ, maxSeqlenQ, maxContextLen };
  checkPagedAttention(query, keyCache, valueCache, attention, options); // before the cache is written to
  reshapeAndCache(key, value, keyCache, valueCache, slotMapping);
  return pagedAttention(query, keyCache, valueCache, attention, options);
}
