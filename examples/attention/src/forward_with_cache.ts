/**
 * The attention layer over a cache of 64-token blocks: two prompts are prefilled in one call, then both decode one
 * token in one call. What a model does once a layer and step.
 */
import {
  BlockManager,
  PagedAttention,
  PagedKVCache,
  buildInputMetadata,
  disposeInputMetadata,
} from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { expectSame } from './difference.js';

const [numHeads, numKvHeads, headSize, blockSize] = [8, 2, 64, 64];
const PROMPTS = { first: 100, second: 30 };

tf.enableProdMode();
await tf.setBackend('cpu');

using cache = new PagedKVCache({
  numLayers: 1,
  numBlocks: 16,
  blockSize,
  numKvHeads,
  headSize,
  storage: 'float32',
});
const blocks = new BlockManager({ numBlocks: 16, blockSize });
const attention = new PagedAttention({ numHeads, headSize, numKvHeads });

/** Random projections of `tokens` tokens; a model computes them from its hidden states. */
const project = (tokens: number) => ({
  query: tf.randomNormal([tokens, numHeads, headSize]),
  key: tf.randomNormal([tokens, numKvHeads, headSize]),
  value: tf.randomNormal([tokens, numKvHeads, headSize]),
});

// Prefill: allocate the prompts' blocks, tell which tokens go where, write keys and values, attend.
const ids = Object.keys(PROMPTS);
for (const [id, length] of Object.entries(PROMPTS)) blocks.allocate(id, length);
const prefill = buildInputMetadata(
  Object.entries(PROMPTS).map(([id, length]) => ({
    slots: blocks.slots(id, 0, length),
    blockTable: blocks.blockTable(id),
    contextLength: length,
    queryLength: length,
  })),
);
const prompt = project(PROMPTS.first + PROMPTS.second);
const prefilled = attention.forward({ ...prompt, ...cache.layer(0), metadata: prefill });
console.log(`prefill of ${ids.length} prompts: output [${prefilled.shape.join(', ')}]`);

// Decode: one more token each. `append` gives its slot, and a new block where the last one is full.
const decode = buildInputMetadata(
  Object.entries(PROMPTS).map(([id, length]) => ({
    slots: blocks.append(id, 1).slots,
    blockTable: blocks.blockTable(id),
    contextLength: length + 1,
    queryLength: 1,
  })),
);
const next = project(ids.length);
const decoded = attention.forward({ ...next, ...cache.layer(0), metadata: decode });
console.log(
  `decode of both: output [${decoded.shape.join(', ')}], ${blocks.stats().used} of 16 blocks in use`,
);

// The same for the first sequence without a cache: its 101 keys side by side, and its last query.
const rows = (x: tf.Tensor) => tf.slice(x, 0, PROMPTS.first);
const starts = (end: number) => tf.tensor1d([0, end], 'int32');
const whole = tf.varlenAttention(
  tf.slice(next.query, 0, 1),
  tf.concat([rows(prompt.key), tf.slice(next.key, 0, 1)]),
  tf.concat([rows(prompt.value), tf.slice(next.value, 0, 1)]),
  { cuSeqlensQ: starts(1), cuSeqlensK: starts(PROMPTS.first + 1) },
);
expectSame('decode through the cache against contiguous keys', tf.slice(decoded, 0, 1), whole);

for (const id of ids) blocks.free(id);
disposeInputMetadata(prefill);
disposeInputMetadata(decode);
