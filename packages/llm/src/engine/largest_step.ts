import { PagedKVCache, buildInputMetadata, sampleTokens } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import type { CausalLM } from '../models/index.ts';
import type { CheckedLimits } from './engine_options.ts';

/**
 * Runs the largest step that an engine may run, over a cache that holds no more than that step: `maxTokensPerStep` tokens
 * of as many sequences as there may be, all of them sampled.
 *
 * @returns Bytes of that cache, which is gone again.
 */
export function runLargestStep(model: CausalLM, limits: CheckedLimits): number {
  const { blockSize, maxSequences, maxTokensPerStep } = limits;
  const { maxPositions } = model.config;
  const sequences = Math.min(maxSequences, maxTokensPerStep);
  const length = Math.min(maxPositions, Math.ceil(maxTokensPerStep / sequences));
  const blocksPerSequence = Math.ceil(length / blockSize);
  const numBlocks = sequences * blocksPerSequence;
  using cache = new PagedKVCache({ ...model.cacheShape, numBlocks, blockSize });
  tf.tidy(() => {
    const tokens = sequences * length;
    const scheduled = Array.from({ length: sequences }, (_, i) => ({
      slots: Int32Array.from({ length }, (_unused, j) => i * blocksPerSequence * blockSize + j),
      blockTable: Int32Array.from({ length: blocksPerSequence }, (_unused, j) => i * blocksPerSequence + j),
      contextLength: length,
      queryLength: length,
    }));
    const lastRows = Int32Array.from({ length: sequences }, (_, i) => (i + 1) * length - 1);
    const logits = model.forward({
      tokenIds: tf.zeros([tokens], 'int32'),
      metadata: buildInputMetadata(scheduled),
      cache,
      logitRows: tf.tensor1d(lastRows, 'int32'),
    });
    sampleTokens(logits, { temperature: 1, topP: 0.5, seeds: 0, positions: length });
  });
  return cache.byteLength;
}
