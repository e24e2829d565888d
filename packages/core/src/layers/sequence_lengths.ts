import { tensor1d } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { InputMetadata } from '../cache/input_metadata.ts';
import type { Checks } from '../checks.ts';
import type { VarlenMetadata } from '../ops/varlen_attention.ts';
import { batchOf } from './head_layout.ts';
import type { HeadLayout } from './head_layout.ts';

/** The query lengths of a call's sequences. */
export interface QueryLengths {
  /** Sequences. */
  sequences: number;
  /** `[sequences + 1]`; `undefined` if each has one token. */
  cuSeqlensQ?: Tensor;
  /** The longest query, if known. */
  maxSeqlenQ?: number;
}

/** `[0, length, 2 * length, ..]`. */
function evenly(sequences: number, length: number): Tensor1D {
  return tensor1d(
    Int32Array.from({ length: sequences + 1 }, (_, i) => i * length),
    'int32',
  );
}

/** Query lengths from `metadata.cuSeqlensQ`, otherwise from `metadata.isPrefill` and the query's shape. */
export function queryLengths(
  checks: Checks,
  metadata: InputMetadata,
  query: Tensor,
  layout: HeadLayout,
  tokens: number,
): QueryLengths {
  const { isPrefill, cuSeqlensQ, maxSeqlenQ } = metadata;
  if (cuSeqlensQ) {
    checks.tensor('metadata.cuSeqlensQ', cuSeqlensQ);
    checks.expectShape(
      cuSeqlensQ.rank === 1 && cuSeqlensQ.size > 0,
      'metadata.cuSeqlensQ',
      cuSeqlensQ,
      'shape [sequences + 1]',
    );
    return { sequences: cuSeqlensQ.size - 1, cuSeqlensQ, maxSeqlenQ };
  }
  const batch = batchOf(query, layout);
  if (!isPrefill) {
    const expected = 'one token per sequence if metadata has neither isPrefill nor cuSeqlensQ';
    checks.expectShape(!batch || batch.length === 1, 'query', query, expected);
    return { sequences: tokens, maxSeqlenQ: 1 };
  }
  if (batch) {
    return {
      sequences: batch.size,
      cuSeqlensQ: evenly(batch.size, batch.length),
      maxSeqlenQ: batch.length,
    };
  }
  const oneWay = layout !== '[T, H, D]' || query.shape[1] !== 1 || tokens === 1;
  const expected = 'metadata.cuSeqlensQ, because with one head this shape can be [T, H, D] or [B, S, H*D]';
  checks.expectShape(oneWay, 'query', query, expected);
  return { sequences: 1, cuSeqlensQ: evenly(1, tokens), maxSeqlenQ: tokens };
}

/** The starts of each sequence's queries and keys, without a cache. */
export function packedLengths(
  checks: Checks,
  metadata: InputMetadata,
  { query, key }: { query: Tensor; key: Tensor },
  layout: HeadLayout,
  tokens: { query: number; key: number },
): VarlenMetadata {
  const {
    sequences,
    cuSeqlensQ: given,
    maxSeqlenQ,
  } = queryLengths(checks, metadata, query, layout, tokens.query);
  const cuSeqlensQ = given ?? evenly(sequences, 1);
  const [queryBatch, keyBatch] = [batchOf(query, layout), batchOf(key, layout)];
  if (queryBatch && keyBatch && queryBatch.size !== keyBatch.size) {
    checks.expectShape(false, 'key', key, `a batch of ${queryBatch.size} to match query`);
  }
  const { cuSeqlensK, maxSeqlenK } = metadata;
  if (cuSeqlensK) return { cuSeqlensQ, cuSeqlensK, maxSeqlenQ, maxSeqlenK };
  if (tokens.key === tokens.query) {
    return { cuSeqlensQ, cuSeqlensK: cuSeqlensQ, maxSeqlenQ, maxSeqlenK: maxSeqlenQ };
  }
  const length = tokens.key / sequences;
  const evenlySplit = sequences === 1 || (keyBatch?.size === sequences && !metadata.cuSeqlensQ);
  checks.expectShape(evenlySplit, 'key', key, 'as many tokens as query, or metadata.cuSeqlensK');
  return { cuSeqlensQ, cuSeqlensK: evenly(sequences, length), maxSeqlenQ, maxSeqlenK: length };
}
