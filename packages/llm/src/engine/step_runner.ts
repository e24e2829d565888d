import { buildInputMetadata, sampleTokens } from '@attention-js/core';
import type { BlockManager, PagedKVCache, StepMetadata } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor1D } from '@tensorflow/tfjs-core';
import type { CausalLM } from '../models/index.ts';
import type { Request } from './request.ts';
import { isLastChunk } from './step_plan.ts';
import type { ScheduledChunk } from './step_plan.ts';
import { applyPenalties } from './token_penalties.ts';

/** Runs steps on the model: what was scheduled in, the next tokens out. */
export class StepRunner {
  readonly #model: CausalLM;
  readonly #cache: PagedKVCache;
  readonly #blocks: BlockManager;

  constructor(model: CausalLM, cache: PagedKVCache, blocks: BlockManager) {
    this.#model = model;
    this.#cache = cache;
    this.#blocks = blocks;
  }

  /**
   * Computes the chunks, writes their keys and values to the cache, and samples.
   *
   * @returns The next token of each chunk that reaches the end of its sequence, −1 if its logits cannot be sampled;
   * `undefined` for the other chunks.
   */
  async run(chunks: readonly ScheduledChunk<Request>[]): Promise<(number | undefined)[]> {
    for (const { copies } of chunks) if (copies.length > 0) this.#cache.apply(copies);
    const sampled = chunks.filter(isLastChunk);
    const tokens = tf.tidy(() => this.#forward(chunks, sampled));
    if (!tokens) return chunks.map(() => undefined);
    try {
      const values = (await tokens.data<'int32'>()).values();
      return chunks.map((chunk) => (isLastChunk(chunk) ? values.next().value : undefined));
    } finally {
      tokens.dispose();
    }
  }

  #forward(
    chunks: readonly ScheduledChunk<Request>[],
    sampled: readonly ScheduledChunk<Request>[],
  ): Tensor1D | undefined {
    const tokenIds = chunks.flatMap(({ sequence: { tokens }, start, count }) =>
      tokens.slice(start, start + count),
    );
    const rows = logitRows(chunks);
    const logits = this.#model.forward({
      tokenIds: int32(tokenIds),
      metadata: this.#metadata(chunks),
      cache: this.#cache,
      logitRows: rows.length < tokenIds.length ? int32(rows) : undefined,
    });
    if (sampled.length === 0) return undefined;
    const requests = sampled.map(({ sequence }) => sequence);
    const parameters = requests.map(({ sampling }) => sampling);
    const penalized = applyPenalties(
      logits,
      requests.map(({ penalties }) => penalties),
    );
    return sampleTokens(penalized, {
      temperature: parameters.map(({ temperature }) => temperature),
      topK: parameters.map(({ topK }) => topK),
      topP: parameters.map(({ topP }) => topP),
      minP: parameters.map(({ minP }) => minP),
      seeds: parameters.map(({ seed }) => seed),
      positions: requests.map(({ tokens }) => tokens.length),
    });
  }

  #metadata(chunks: readonly ScheduledChunk<Request>[]): StepMetadata {
    return buildInputMetadata(
      chunks.map(({ sequence, start, count, slots }) => ({
        slots,
        blockTable: this.#blocks.blockTable(sequence.id),
        contextLength: start + count,
        queryLength: count,
      })),
    );
  }
}

function int32(values: readonly number[]): Tensor1D {
  return tf.tensor1d(values as number[], 'int32');
}

/** The last row of each chunk that is sampled. */
function logitRows(chunks: readonly ScheduledChunk<Request>[]): number[] {
  const rows: number[] = [];
  let end = 0;
  for (const chunk of chunks) {
    end += chunk.count;
    if (isLastChunk(chunk)) rows.push(end - 1);
  }
  return rows;
}
