import * as tf from '@tensorflow/tfjs-core';
import { roundArrayToStorage } from '../storage/half_precision.ts';
import { encodeStorageBytes } from '../storage/storage_bytes.ts';
import { tensorFromStorage } from '../storage/storage_functions.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import type { AttentionMetadata } from '../ops/paged_attention.ts';
import { attentionOracle } from './attention_oracle.ts';
import type { OracleOptions, OracleSequence } from './attention_oracle.ts';
import { cacheIndex, cacheShapes } from './cache_index.ts';
import type { Random } from './random.ts';

/** The sizes of a random batch of sequences with a paged cache. */
export interface PagedCaseSpec {
  /** Per sequence: query rows of this step, and tokens in the cache, including this step's. */
  sequences: { queryLength: number; contextLength: number }[];
  heads: number;
  kvHeads: number;
  headSize: number;
  blockSize: number;
  layout?: 'flash' | 'vllm';
  storage?: ElementStorage;
  /** Query rows past the last sequence. */
  paddingRows?: number;
  /** Surplus columns of the block table. */
  extraColumns?: number;
  /** Keys before this position are not needed: the table no longer contains their blocks. */
  evictedBefore?: (sequence: number) => number;
  /** Scale of queries and keys. */
  magnitude?: number;
}

/** The tensors of a paged batch, and the same numbers as arrays for the oracle. */
export interface PagedCase {
  spec: PagedCaseSpec;
  query: tf.Tensor;
  keyCache: tf.Tensor;
  valueCache: tf.Tensor;
  metadata: AttentionMetadata;
  sequences: OracleSequence[];
}

type Rows = number[][][];

/**
 * Makes a random case, with blocks in random order from a pool larger than needed. Every unused slot holds NaN, and
 * every unused block table entry points outside the pool.
 */
export function makePagedCase(random: Random, spec: PagedCaseSpec): PagedCase {
  const {
    heads,
    kvHeads,
    headSize,
    blockSize,
    layout = 'flash',
    storage = 'float32',
    paddingRows = 0,
  } = spec;
  const { extraColumns = 2, evictedBefore = () => 0, magnitude = 1 } = spec;
  const blocksOf = spec.sequences.map(({ contextLength }) => Math.ceil(contextLength / blockSize));
  const numBlocks = blocksOf.reduce((sum, n) => sum + n, 0) + 3;
  const order = random.permutation(numBlocks);
  const columns = Math.max(0, ...blocksOf) + extraColumns;
  const table = new Int32Array(spec.sequences.length * columns).map(() =>
    random.pick([-1, numBlocks, 2 ** 31 - 1]),
  );
  const keys = new Float32Array(numBlocks * blockSize * kvHeads * headSize).fill(Number.NaN);
  const values = new Float32Array(keys.length).fill(Number.NaN);
  const sizes = { layout, numBlocks, blockSize, kvHeads, headSize, storage };

  const draw = (rows: number, width: number, size: number): Rows =>
    Array.from({ length: rows }, () =>
      Array.from({ length: width }, () => {
        const numbers = random.normal(headSize, size);
        roundArrayToStorage(numbers, storage);
        return [...numbers];
      }),
    );

  let nextBlock = 0;
  const sequences = spec.sequences.map(({ queryLength, contextLength }, sequence) => {
    const query = draw(queryLength, heads, magnitude);
    const key = draw(contextLength, kvHeads, magnitude);
    const value = draw(contextLength, kvHeads, 1);
    for (let index = 0; index < blocksOf[sequence]; index++) {
      const block = order[nextBlock++];
      if ((index + 1) * blockSize <= evictedBefore(sequence)) continue;
      table[sequence * columns + index] = block;
      for (let offset = 0; offset < blockSize && index * blockSize + offset < contextLength; offset++) {
        const position = index * blockSize + offset;
        if (position < evictedBefore(sequence)) continue;
        for (let head = 0; head < kvHeads; head++) {
          for (let d = 0; d < headSize; d++) {
            const at = cacheIndex(sizes, block * blockSize + offset, head, d);
            keys[at.key] = key[position][head][d];
            values[at.value] = value[position][head][d];
          }
        }
      }
    }
    return { query, key, value };
  });

  const make = (numbers: Float32Array, shape: number[]): tf.Tensor =>
    tensorFromStorage(encodeStorageBytes(numbers, storage), shape, storage);
  const shapes = cacheShapes(sizes);
  const padding = draw(paddingRows, heads, magnitude);
  const queryRows = [...sequences.flatMap(({ query }) => query), ...padding];
  const cuSeqlensQ = [0];
  for (const { queryLength } of spec.sequences)
    cuSeqlensQ.push(cuSeqlensQ[cuSeqlensQ.length - 1] + queryLength);
  return {
    spec,
    query: make(Float32Array.from(queryRows.flat(2)), [queryRows.length, heads, headSize]),
    keyCache: make(keys, shapes.key),
    valueCache: make(values, shapes.value),
    metadata: {
      blockTables: tf.tensor2d(table, [spec.sequences.length, columns], 'int32'),
      contextLens: tf.tensor1d(
        spec.sequences.map(({ contextLength }) => contextLength),
        'int32',
      ),
      cuSeqlensQ: tf.tensor1d(cuSeqlensQ, 'int32'),
    },
    sequences,
  };
}

/** The oracle's output and log-sum-exp of a case, flattened; padding rows are zeros and −∞. */
export function oracleOf(
  { spec, sequences }: PagedCase,
  options: OracleOptions = {},
): { output: number[]; lse: number[] } {
  const { heads, headSize, paddingRows = 0 } = spec;
  const parts = sequences.map((sequence) => attentionOracle(sequence, options));
  const output = parts.flatMap((part) => part.output.flat(2));
  const lse = parts.flatMap((part) => part.lse.flat());
  for (let i = 0; i < paddingRows * heads * headSize; i++) output.push(0);
  for (let i = 0; i < paddingRows * heads; i++) lse.push(Number.NEGATIVE_INFINITY);
  return { output, lse };
}
