import { PagedKVCache, castStorage, pagedAttention, reshapeAndCache } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { roundArrayToStorage } from '../../../core/src/storage/half_precision.ts';
import { Random } from '../../../core/src/testing/random.ts';
import { cuda, describeOnCuda, hasGpu } from '../testing/cuda.ts';

const [CONTEXT, CHUNK] = hasGpu ? [131_072, 4096] : [1024, 128];
const [HEADS, HEAD_SIZE, BLOCK_SIZE, SAMPLES] = [4, 128, 16, 64];

const { exp, hypot, max, sqrt } = Math; // in jest's modules each access to a global is a slow lookup
const random = new Random(11);

function draw(rows: number): Float32Array {
  const numbers = random.normal(rows * HEAD_SIZE);
  roundArrayToStorage(numbers, 'bfloat16');
  return numbers;
}

const toTensor = (numbers: Float32Array, heads: number): tf.Tensor =>
  castStorage(tf.tensor3d(numbers, [numbers.length / heads / HEAD_SIZE, heads, HEAD_SIZE]), 'bfloat16');

/** The query's output over the first `length` keys, in float64. */
function attend(query: Float32Array, keys: Float32Array, values: Float32Array, length: number): number[] {
  const scores = new Float64Array(length);
  for (let j = 0; j < length; j++) {
    let product = 0;
    for (let d = 0; d < HEAD_SIZE; d++) product += query[d] * keys[j * HEAD_SIZE + d];
    scores[j] = product / sqrt(HEAD_SIZE);
  }
  const largest = scores.reduce((a, b) => max(a, b));
  const weights = scores.map((score) => exp(score - largest));
  const sum = weights.reduce((a, b) => a + b);
  const output = Array.from({ length: HEAD_SIZE }, () => 0);
  for (let j = 0; j < length; j++) {
    for (let d = 0; d < HEAD_SIZE; d++) output[d] += (weights[j] / sum) * values[j * HEAD_SIZE + d];
  }
  return output;
}

describeOnCuda('a long prompt', () => {
  test(`of ${CONTEXT} tokens in chunks of ${CHUNK} takes the memory of the cache and a chunk`, () => {
    const [keys, values] = [draw(CONTEXT), draw(CONTEXT)];
    const before = cuda().memory();
    using cache = new PagedKVCache({
      numLayers: 1,
      numBlocks: CONTEXT / BLOCK_SIZE,
      blockSize: BLOCK_SIZE,
      numKvHeads: 1,
      headSize: HEAD_SIZE,
      storage: 'bfloat16',
    });
    const { keyCache, valueCache } = cache.layer(0);
    const order = random.permutation(CONTEXT / BLOCK_SIZE);
    const blockTables = tf.tensor2d(order, [1, order.length], 'int32');
    const errors: number[] = [];
    for (let start = 0; start < CONTEXT; start += CHUNK) {
      const end = start + CHUNK;
      const queries = draw(CHUNK * HEADS);
      const output = tf.tidy(() => {
        const part = (all: Float32Array): tf.Tensor =>
          toTensor(all.subarray(start * HEAD_SIZE, end * HEAD_SIZE), 1);
        const slots = Int32Array.from({ length: CHUNK }, (_, i) => {
          const position = start + i;
          return order[Math.floor(position / BLOCK_SIZE)] * BLOCK_SIZE + (position % BLOCK_SIZE);
        });
        reshapeAndCache(part(keys), part(values), keyCache, valueCache, tf.tensor1d(slots, 'int32'));
        return pagedAttention(toTensor(queries, HEADS), keyCache, valueCache, {
          blockTables,
          contextLens: tf.tensor1d([end], 'int32'),
          cuSeqlensQ: tf.tensor1d([0, CHUNK], 'int32'),
        }).dataSync();
      });
      for (let sample = 0; sample < (SAMPLES * CHUNK) / CONTEXT; sample++) {
        const row = random.integer(0, CHUNK * HEADS - 1);
        const place = [row * HEAD_SIZE, (row + 1) * HEAD_SIZE] as const;
        const wanted = attend(queries.subarray(...place), keys, values, start + Math.floor(row / HEADS) + 1);
        const actual = output.subarray(...place);
        const difference = hypot(...wanted.map((value, d) => value - actual[d]));
        errors.push(difference / hypot(...wanted));
      }
    }
    expect(errors).toHaveLength(SAMPLES);
    expect(max(...errors)).toBeLessThan(1e-2);
    const chunkBytes = 2 * CHUNK * HEADS * HEAD_SIZE;
    const taken = cuda().memory().numBytesPeak - before.numBytesInGPU;
    expect(taken).toBeLessThan(cache.byteLength + 16 * chunkBytes);
  });
});
