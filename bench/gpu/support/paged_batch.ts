import * as tf from '@attention-js/core/tf';
import { randomTensor } from './device.ts';

const BLOCK_SIZE = 16;

/** Sizes of a batch of bfloat16. */
interface BatchSpec {
  sequences: { contextLength: number; queryLength: number }[];
  kvHeads: number;
  headSize: number;
  layout?: 'flash' | 'vllm';
}

/** A paged cache of random numbers whose blocks lie in random order, and the metadata of a step. */
export interface PagedBatch {
  keyCache: tf.Tensor;
  valueCache: tf.Tensor;
  metadata: tf.AttentionMetadata;
  /** The metadata's tensors, to dispose of. */
  tensors: tf.Tensor[];
}

/** Makes a batch; blocks are dealt out as a cache that has run for a while has them. */
export function pagedBatch({ sequences, kvHeads, headSize, layout = 'flash' }: BatchSpec): PagedBatch {
  const counts = sequences.map(({ contextLength }) => Math.ceil(contextLength / BLOCK_SIZE));
  const numBlocks = counts.reduce((sum, count) => sum + count, 0);
  const order = tf.util.createShuffledIndices(numBlocks);
  const columns = Math.max(...counts);
  const table = new Int32Array(sequences.length * columns);
  let next = 0;
  counts.forEach((count, sequence) => {
    for (let i = 0; i < count; i++) table[sequence * columns + i] = order[next++];
  });
  const cuSeqlensQ = [0];
  for (const { queryLength } of sequences) cuSeqlensQ.push(cuSeqlensQ[cuSeqlensQ.length - 1] + queryLength);
  const contexts = sequences.map(({ contextLength }) => contextLength);
  const tensors = {
    blockTables: tf.tensor2d(table, [sequences.length, columns], 'int32'),
    contextLens: tf.tensor1d(contexts, 'int32'),
    cuSeqlensQ: tf.tensor1d(cuSeqlensQ, 'int32'),
  };
  const flash = [numBlocks, BLOCK_SIZE, kvHeads, headSize];
  const isFlash = layout === 'flash';
  return {
    keyCache: randomTensor(isFlash ? flash : [numBlocks, kvHeads, headSize / 8, BLOCK_SIZE, 8]),
    valueCache: randomTensor(isFlash ? flash : [numBlocks, kvHeads, headSize, BLOCK_SIZE]),
    metadata: {
      ...tensors,
      maxSeqlenQ: Math.max(...sequences.map(({ queryLength }) => queryLength)),
      maxContextLen: Math.max(...contexts),
    },
    tensors: Object.values(tensors),
  };
}
