import { PagedAttention } from '@attention-js/core';
import { jest } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { CausalLM } from '../models/index.ts';

/** Keys and values `[kvHeads, tokens, headSize]` of each layer, concatenated as they come. */
export type DenseCache = readonly { key: Tensor; value: Tensor }[];

/** Frees a cache. */
export function disposeDenseCache(cache: DenseCache): void {
  for (const { key, value } of cache) tf.dispose([key, value]);
}

/**
 * Runs a model whose attention layers are replaced by plain tfjs operations over concatenated keys and values: the
 * oracle for everything paged. Nothing of core's cache or attention takes part.
 *
 * @param past What an earlier call returned for the tokens before these; it stays as it is.
 * @returns The likeliest next token, and the cache with these tokens, to be disposed by the caller.
 */
export function denseForward(
  model: CausalLM,
  tokens: readonly number[],
  past: DenseCache = [],
): { nextToken: number; cache: DenseCache } {
  const { scale } = model.config.attention;
  const before = past.length === 0 ? 0 : (past[0].key.shape[1] as number);
  const cache: { key: Tensor; value: Tensor }[] = [];
  return tf.tidy(() => {
    const spy = jest.spyOn(PagedAttention.prototype, 'forward').mockImplementation((input) => {
      const earlier = past.at(cache.length);
      const [query, newKey, newValue] = [input.query, input.key, input.value].map(headsFirst);
      const key = earlier ? tf.concat([earlier.key, newKey], 1) : newKey;
      const value = earlier ? tf.concat([earlier.value, newValue], 1) : newValue;
      cache.push({ key: tf.keep(key), value: tf.keep(value) });
      return headsFirst(denseAttention(query, key, value, scale));
    });
    try {
      const logits = model.forward({
        tokenIds: tf.tensor1d(tokens as number[], 'int32'),
        metadata: { isPrefill: true, positions: tf.range(before, before + tokens.length, 1, 'int32') },
        logitRows: tf.tensor1d([tokens.length - 1], 'int32'),
      });
      return { nextToken: tf.argMax(logits, 1).dataSync()[0], cache };
    } finally {
      spy.mockRestore();
    }
  });
}

/** `[tokens, heads, headSize]` to `[heads, tokens, headSize]`, and back. */
function headsFirst(x: Tensor): Tensor {
  return tf.transpose(x, [1, 0, 2]);
}

/**
 * Causal attention of the last `query.shape[1]` tokens; `[heads, tokens, headSize]` in and out. Its softmax subtracts one
 * maximum for all rows and divides at the end: on `cpu`, tfjs takes seconds to broadcast a maximum per row.
 */
function denseAttention(query: Tensor, key: Tensor, value: Tensor, scale: number): Tensor {
  const [numHeads, queryLength, headSize] = query.shape;
  const [numKvHeads, keyLength] = key.shape;
  // The query heads of a group are rows of the same KV head.
  const rows = (numHeads / numKvHeads) * queryLength;
  const products = tf.matMul(tf.reshape(query, [numKvHeads, rows, headSize]), key, false, true);
  const scores = tf.reshape(tf.mul(products, scale), [numHeads, queryLength, keyLength]);
  const masked = tf.add(tf.sub(scores, tf.max(scores)), causalMask(queryLength, keyLength));
  const weights = tf.reshape(tf.exp(masked), [numKvHeads, rows, keyLength]);
  const attended = tf.div(tf.matMul(weights, value), tf.sum(weights, 2, true));
  return tf.reshape(attended, query.shape);
}

/** `[queryLength, keyLength]`: 0 for the keys that a query sees, else minus infinity. */
function causalMask(queryLength: number, keyLength: number): Tensor {
  const mask = new Float32Array(queryLength * keyLength);
  for (let i = 0; i < queryLength; i++) {
    mask.fill(Number.NEGATIVE_INFINITY, i * keyLength + keyLength - queryLength + i + 1, (i + 1) * keyLength);
  }
  return tf.tensor2d(mask, [queryLength, keyLength]);
}
