/**
 * One long prompt in three chunks: the memory of a step is that of a chunk, however long the prompt. Each chunk attends
 * to the cached blocks of the chunks before it; together they equal one prefill of the whole prompt.
 *
 *   node dist/chunked_prefill.js [--chunk 4096]     12,288 tokens in chunks of 4,096: the ends 4096, 8192, 12288
 */
import { parseArgs } from 'node:util';
import {
  BlockManager,
  PagedKVCache,
  buildInputMetadata,
  pagedAttention,
  reshapeAndCache,
} from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expectSame } from './difference.js';

const { values: options } = parseArgs({ options: { chunk: { type: 'string', default: '4096' } } });
const chunk = Number(options.chunk);
const cuSeqlensQ = [0, chunk, 2 * chunk, 3 * chunk];
const length = 3 * chunk;
const [heads, numKvHeads, headSize, blockSize] = [2, 1, 32, 64];
const numBlocks = Math.ceil(length / blockSize);

tf.enableProdMode();
await tf.setBackend('cpu');

const query = tf.randomNormal<tf.Rank.R3>([length, heads, headSize]);
const key = tf.randomNormal<tf.Rank.R3>([length, numKvHeads, headSize]);
const value = tf.randomNormal<tf.Rank.R3>([length, numKvHeads, headSize]);

const blocks = new BlockManager({ numBlocks, blockSize });
blocks.allocate('prompt', length);

/** Writes rows [from, to) of the prompt to the cache, then attends with them to all that is cached. */
function prefillChunk(cache: PagedKVCache, from: number, to: number): tf.Tensor3D {
  return tf.tidy(() => {
    const { keyCache, valueCache } = cache.layer(0);
    const metadata = buildInputMetadata([
      {
        slots: blocks.slots('prompt', from, to),
        blockTable: blocks.blockTable('prompt'),
        contextLength: to,
        queryLength: to - from,
      },
    ]);
    const rows = (x: tf.Tensor3D) => tf.slice(x, from, to - from);
    reshapeAndCache(rows(key), rows(value), keyCache, valueCache, metadata.slotMapping);
    return pagedAttention(rows(query), keyCache, valueCache, metadata);
  });
}

const shape = { numLayers: 1, numBlocks, blockSize, numKvHeads, headSize, storage: 'float32' } as const;
using chunkedCache = new PagedKVCache(shape);
using wholeCache = new PagedKVCache(shape);

console.log(`prompt of ${length} tokens, cu_seqlens_q ${cuSeqlensQ.join(', ')}`);
const chunks = cuSeqlensQ.slice(1).map((to, i) => {
  const start = performance.now();
  const output = prefillChunk(chunkedCache, cuSeqlensQ[i], to);
  console.log(
    `  chunk ${i + 1}: queries ${cuSeqlensQ[i]} to ${to} in ${(performance.now() - start).toFixed(0)} ms`,
  );
  return output;
});
expectSame('three chunks against one prefill', tf.concat(chunks), prefillChunk(wholeCache, 0, length));
