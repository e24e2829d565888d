import * as tf from '@attention-js/core/tf';
import { randomTensor } from './device.ts';

const BLOCK_SIZE = 16;

/** The sizes of a bfloat16 batch. */
interface BatchSpec {
  sequences: { contextLength: number; queryLength: number }[];
  kvHeads: number;
  headSize: number;
  layout?: 'flash' | 'vllm';
}

/**
 * A paged cache of random numbers, with blocks in random order, and the metadata that the engine makes for such a step.
 */
export interface PagedBatch {
  keyCache: tf.Tensor;
  valueCache: tf.Tensor;
  metadata: tf.StepMetadata;
}

/** Makes a batch. Blocks are assigned in random order, as in a cache that has been in use for a while. */
export function pagedBatch({ sequences, kvHeads, headSize, layout = 'flash' }: BatchSpec): PagedBatch {
  const counts = sequences.map(({ contextLength }) => Math.ceil(contextLength / BLOCK_SIZE));
  const numBlocks = counts.reduce((sum, count) => sum + count, 0);
  const order = tf.util.createShuffledIndices(numBlocks);
  let next = 0;
  const metadata = tf.buildInputMetadata(
    sequences.map(({ contextLength, queryLength }, i) => {
      const blockTable = order.slice(next, (next += counts[i]));
      const slot = (position: number): number =>
        blockTable[Math.floor(position / BLOCK_SIZE)] * BLOCK_SIZE + (position % BLOCK_SIZE);
      const slots = Array.from({ length: queryLength }, (_, j) => slot(contextLength - queryLength + j));
      return { slots, blockTable, contextLength, queryLength };
    }),
  );
  const flash = [numBlocks, BLOCK_SIZE, kvHeads, headSize];
  const isFlash = layout === 'flash';
  return {
    keyCache: randomTensor(isFlash ? flash : [numBlocks, kvHeads, headSize / 8, BLOCK_SIZE, 8]),
    valueCache: randomTensor(isFlash ? flash : [numBlocks, kvHeads, headSize, BLOCK_SIZE]),
    metadata,
  };
}

/** Frees a batch. */
export function disposeBatch({ keyCache, valueCache, metadata }: PagedBatch): void {
  tf.dispose([keyCache, valueCache]);
  tf.disposeInputMetadata(metadata);
}
