import { PagedAttention, varlenAttention } from '@attention-js/core';
import { jest } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import type { CausalLM } from '../models/index.ts';

/** Keys and values `[tokens, kvHeads, headSize]` of each layer so far. */
export type DenseCache = readonly { key: Tensor; value: Tensor }[];

/** Frees a cache. */
export function disposeDenseCache(cache: DenseCache): void {
  for (const { key, value } of cache) tf.dispose([key, value]);
}

/**
 * Runs a model on one sequence with attention over contiguous keys and values instead of the paged cache: no blocks,
 * slots or block tables.
 *
 * @param past The cache that an earlier call returned for the preceding tokens; it is left unchanged.
 * @returns The most likely next token, and the cache including these tokens, which the caller must dispose.
 */
export function denseForward(
  model: CausalLM,
  tokens: readonly number[],
  past: DenseCache = [],
): { nextToken: number; cache: DenseCache } {
  const { scale } = model.config.attention;
  const before = past.length === 0 ? 0 : past[0].key.shape[0];
  const cache: { key: Tensor; value: Tensor }[] = [];
  const spy = jest.spyOn(PagedAttention.prototype, 'forward').mockImplementation((input) => {
    const earlier = past.at(cache.length);
    const key = tf.keep(earlier ? tf.concat([earlier.key, input.key]) : tf.clone(input.key));
    const value = tf.keep(earlier ? tf.concat([earlier.value, input.value]) : tf.clone(input.value));
    cache.push({ key, value });
    const metadata = {
      cuSeqlensQ: singleSequence(tokens.length),
      cuSeqlensK: singleSequence(before + tokens.length),
    };
    return varlenAttention(input.query, key, value, metadata, { scale });
  });
  try {
    return tf.tidy(() => {
      const logits = model.forward({
        tokenIds: tf.tensor1d(tokens as number[], 'int32'),
        metadata: { isPrefill: true, positions: tf.range(before, before + tokens.length, 1, 'int32') },
        logitRows: tf.tensor1d([tokens.length - 1], 'int32'),
      });
      return { nextToken: tf.argMax(logits, 1).dataSync()[0], cache };
    });
  } finally {
    spy.mockRestore();
  }
}

/** The cumulative lengths of a batch of one sequence. */
function singleSequence(end: number): Tensor1D {
  return tf.tensor1d([0, end], 'int32');
}
