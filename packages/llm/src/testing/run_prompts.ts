import { BlockManager, PagedKVCache, buildInputMetadata, disposeInputMetadata } from '@attention-js/core';
import type { PagedKVCacheOptions, ScheduledSequence } from '@attention-js/core';
import { tensor1d } from '@tensorflow/tfjs-core';
import type { CausalLM } from '../models/causal_lm.ts';

/** Logits `[tokens, vocab]` of each prompt, computed in one step without a cache. */
export function runWithoutCache(model: CausalLM, prompts: readonly (readonly number[])[]): Float32Array[] {
  const scheduled = prompts.map(({ length }) => ({
    slots: new Int32Array(length),
    blockTable: [],
    contextLength: length,
    queryLength: length,
  }));
  return splitRows(model, prompts, step(model, prompts, scheduled));
}

/** How {@link runPaged} divides the prompts into steps. */
export interface PagedRun extends Pick<PagedKVCacheOptions, 'layout'> {
  blockSize: number;
  /**
   * Chunk lengths: chunk i of prompt p has `chunkSizes[(i + p) % chunkSizes.length]` tokens, so that steps are mixed.
   */
  chunkSizes: readonly number[];
}

/** Logits of each prompt, computed chunk by chunk through one paged cache. */
export function runPaged(
  model: CausalLM,
  prompts: readonly (readonly number[])[],
  { blockSize, chunkSizes, layout }: PagedRun,
): Float32Array[] {
  const tokens = prompts.reduce((sum, { length }) => sum + length, 0);
  const numBlocks = Math.ceil(tokens / blockSize) + prompts.length;
  const blocks = new BlockManager({ numBlocks, blockSize, prefixCache: false });
  using cache = new PagedKVCache({ ...model.cacheShape, numBlocks, blockSize, layout });
  prompts.forEach((_, id) => blocks.allocate(id, []));

  const logits = prompts.map(({ length }) => new Float32Array(length * model.config.vocabSize));
  const done = prompts.map(() => 0);
  for (let i = 0; done.some((count, id) => count < prompts[id].length); i++) {
    const active = prompts.map((_, id) => id).filter((id) => done[id] < prompts[id].length);
    const chunks = active.map((id) => {
      const size = chunkSizes[(i + id) % chunkSizes.length];
      return prompts[id].slice(done[id], done[id] + size);
    });
    const scheduled = active.map((id, j) => ({
      slots: blocks.append(id, chunks[j]).slots,
      blockTable: blocks.blockTable(id),
      contextLength: done[id] + chunks[j].length,
      queryLength: chunks[j].length,
    }));
    splitRows(model, chunks, step(model, chunks, scheduled, cache)).forEach((rows, j) => {
      const id = active[j];
      logits[id].set(rows, done[id] * model.config.vocabSize);
      done[id] += chunks[j].length;
      blocks.commit(id, chunks[j]);
    });
  }
  return logits;
}

function step(
  model: CausalLM,
  chunks: readonly (readonly number[])[],
  scheduled: ScheduledSequence[],
  cache?: PagedKVCache,
): Float32Array {
  const metadata = buildInputMetadata(scheduled);
  const tokenIds = tensor1d(chunks.flat(), 'int32');
  const logits = model.forward({ tokenIds, metadata, cache });
  const values = logits.dataSync<'float32'>();
  logits.dispose();
  tokenIds.dispose();
  disposeInputMetadata(metadata);
  return values;
}

function splitRows(
  model: CausalLM,
  chunks: readonly (readonly number[])[],
  logits: Float32Array,
): Float32Array[] {
  let begin = 0;
  return chunks.map(({ length }) => logits.slice(begin, (begin += length * model.config.vocabSize)));
}
