import type { Sequence } from './sequence.ts';

/** The tokens of one sequence that a step computes: a prefill chunk, or a decode. */
export interface ScheduledChunk<S extends Sequence> {
  sequence: S;
  /** Position of the first of them: the tokens before it are in the cache. */
  start: number;
  /** How many tokens. */
  count: number;
  /** `[count]` slots of these tokens. */
  slots: Int32Array;
  /** Pairs of blocks to copy before the step writes to these slots: `PagedKVCache.apply`. */
  copies: Int32Array;
}

/** Whether a chunk ends with its sequence's last token, so that the next one can be sampled. */
export function isLastChunk({ sequence, start, count }: ScheduledChunk<Sequence>): boolean {
  return start + count === sequence.tokens.length;
}

/** A step while it is put together: its chunks, and how many tokens it may still take. */
export class StepPlan<S extends Sequence> {
  readonly chunks: ScheduledChunk<S>[] = [];
  #budget: number;

  constructor(maxTokens: number) {
    this.#budget = maxTokens;
  }

  /** Tokens the step may still take. */
  get budget(): number {
    return this.#budget;
  }

  add(chunk: ScheduledChunk<S>): void {
    this.chunks.push(chunk);
    this.#budget -= chunk.count;
  }

  /** Takes back the chunk of a sequence, if it has one. */
  drop(sequence: S): void {
    const index = this.chunks.findIndex((chunk) => chunk.sequence === sequence);
    if (index === -1) return;
    const [{ count }] = this.chunks.splice(index, 1);
    this.#budget += count;
  }
}
