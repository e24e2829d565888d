/**
 * An attention layer as one writes it in plain TensorFlow.js, and the same layer over a paged cache. What changes: the
 * cache is written in place instead of concatenated, heads are not repeated, no mask is made, and sequences of any
 * length share one call.
 */
import { BlockManager, PagedAttention, PagedKVCache, buildInputMetadata } from '@attention-js/core';
import type { InputMetadata } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expectSame } from './difference.js';

const [hidden, numHeads, numKvHeads, headSize] = [96, 6, 2, 32];

/** Weights of the projections, shared by both layers. */
const weights = {
  query: tf.randomNormal<tf.Rank.R2>([hidden, numHeads * headSize], 0, 0.2),
  key: tf.randomNormal<tf.Rank.R2>([hidden, numKvHeads * headSize], 0, 0.2),
  value: tf.randomNormal<tf.Rank.R2>([hidden, numKvHeads * headSize], 0, 0.2),
  output: tf.randomNormal<tf.Rank.R2>([numHeads * headSize, hidden], 0, 0.2),
};

const append = (past: tf.Tensor3D | undefined, now: tf.Tensor) =>
  tf.concat(past ? [past, now] : [now]) as tf.Tensor3D;

/** Before: one sequence, its keys and values concatenated at every step. */
class DenseAttention {
  #keys: tf.Tensor3D | undefined;
  #values: tf.Tensor3D | undefined;

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const tokens = x.shape[0];
    const split = (weight: tf.Tensor2D, heads: number) =>
      tf.reshape(tf.matMul(x, weight), [tokens, heads, headSize]);
    const query = split(weights.query, numHeads);
    this.#keys = append(this.#keys, split(weights.key, numKvHeads));
    this.#values = append(this.#values, split(weights.value, numKvHeads));
    const context = this.#keys.shape[0];

    const repeat = (cached: tf.Tensor3D) =>
      tf.reshape(
        tf.tile(tf.expandDims(tf.transpose(cached, [1, 0, 2]), 1), [1, numHeads / numKvHeads, 1, 1]),
        [numHeads, context, headSize],
      );
    const scores = tf.mul(
      tf.matMul(tf.transpose(query, [1, 0, 2]), repeat(this.#keys), false, true),
      headSize ** -0.5,
    );
    const positions = tf.expandDims(tf.range(context - tokens, context), 1);
    const mask = tf.where(tf.lessEqual(tf.range(0, context), positions), 0, Number.NEGATIVE_INFINITY);
    const attended = tf.matMul(tf.softmax(tf.add(scores, mask)), repeat(this.#values));
    return tf.matMul(tf.reshape(tf.transpose(attended, [1, 0, 2]), [tokens, -1]), weights.output);
  }
}

/** After: any number of sequences, whose tokens are packed in `x`. */
class PagedLayer {
  readonly #attention = new PagedAttention({ numHeads, headSize, numKvHeads });

  forward(x: tf.Tensor2D, cache: PagedKVCache, metadata: InputMetadata): tf.Tensor2D {
    const attended = this.#attention.forward({
      query: tf.matMul(x, weights.query),
      key: tf.matMul(x, weights.key),
      value: tf.matMul(x, weights.value),
      ...cache.layer(0),
      metadata,
    });
    return tf.matMul(attended, weights.output);
  }
}

tf.enableProdMode();
await tf.setBackend('cpu');

const [numBlocks, blockSize] = [8, 16];
using cache = new PagedKVCache({
  numLayers: 1,
  numBlocks,
  blockSize,
  numKvHeads,
  headSize,
  storage: 'float32',
});
const blocks = new BlockManager({ numBlocks, blockSize });
const paged = new PagedLayer();
const sequences = [
  { id: 'long', dense: new DenseAttention(), length: 0 },
  { id: 'short', dense: new DenseAttention(), length: 0 },
];

// Both prefill, then three decode steps; then `long` decodes while `short` goes on with nine more tokens.
for (const tokens of [
  [40, 5],
  [1, 1],
  [1, 1],
  [1, 1],
  [1, 9],
]) {
  const inputs = tokens.map((count) => tf.randomNormal<tf.Rank.R2>([count, hidden]));
  const scheduled = sequences.map((sequence, i) => {
    if (sequence.length === 0) blocks.allocate(sequence.id, tokens[i]);
    else blocks.append(sequence.id, tokens[i]);
    const from = sequence.length;
    sequence.length += tokens[i];
    return {
      slots: blocks.slots(sequence.id, from, sequence.length),
      blockTable: blocks.blockTable(sequence.id),
      contextLength: sequence.length,
      queryLength: tokens[i],
    };
  });
  const output = paged.forward(tf.concat(inputs), cache, buildInputMetadata(scheduled));
  const expected = tf.concat(sequences.map(({ dense }, i) => dense.forward(inputs[i])));
  expectSame(`step of ${tokens.join(' + ')} tokens, paged against dense`, output, expected);
}
