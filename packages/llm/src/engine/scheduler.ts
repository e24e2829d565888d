import type { BlockManager } from '@attention-js/core';
import type { Sequence } from './sequence.ts';
import { StepPlan } from './step_plan.ts';
import type { ScheduledChunk } from './step_plan.ts';

/** Limits of a {@link Scheduler}. */
export interface SchedulerOptions {
  /** Most tokens in one step, prefill chunks and decodes together. */
  maxTokensPerStep: number;
  /** Most sequences that run at the same time. */
  maxSequences: number;
  /** Whether `blocks` has a prefix cache, which makes it pay to wait for a prefix that is being computed. */
  prefixCache: boolean;
}

/**
 * Decides what each step computes. Sequences take their turns in the order in which they came: first decodes, then
 * the prefill of those that have begun, then new ones, as far as the token budget and the blocks go. Where blocks run
 * out, the newest running sequence loses its own and is computed anew later (preemption by recompute).
 *
 * Every sequence must fit into the cache when it is alone there; then none waits forever.
 */
export class Scheduler<S extends Sequence> {
  /** Times a sequence lost its blocks. */
  preemptions = 0;
  /** Tokens of the prompts that were admitted. */
  promptTokens = 0;
  /** Those that the prefix cache had. */
  cachedPromptTokens = 0;

  readonly #blocks: BlockManager;
  readonly #options: SchedulerOptions;
  readonly #onFailure: (sequence: S, error: unknown) => void;
  // Both in the order of arrival, which is that of the ids.
  readonly #waiting: S[] = [];
  readonly #running: S[] = [];

  /** @param onFailure Called with a sequence that cannot be admitted; it is removed, and the others go on. */
  constructor(
    blocks: BlockManager,
    options: SchedulerOptions,
    onFailure: (sequence: S, error: unknown) => void,
  ) {
    this.#blocks = blocks;
    this.#options = options;
    this.#onFailure = onFailure;
  }

  /** Sequences without blocks: new ones, and preempted ones. */
  get waiting(): readonly S[] {
    return this.#waiting;
  }

  /** Sequences with blocks. */
  get running(): readonly S[] {
    return this.#running;
  }

  /** Adds a sequence, newer than all others. */
  add(sequence: S): void {
    this.#waiting.push(sequence);
  }

  /** Forgets a sequence and frees its blocks. Does nothing for one that is gone already. */
  remove(sequence: S): void {
    removeFrom(this.#waiting, sequence);
    if (removeFrom(this.#running, sequence)) this.#blocks.free(sequence.id);
  }

  /** Chooses the next step's chunks and gives them slots. Empty only when no sequence is left. */
  schedule(): ScheduledChunk<S>[] {
    const plan = new StepPlan<S>(this.#options.maxTokensPerStep);
    const running = [...this.#running];
    for (const sequence of running) if (sequence.pending === 1) this.#continue(sequence, plan);
    for (const sequence of running) if (sequence.pending > 1) this.#continue(sequence, plan);
    this.#admitWaiting(plan);
    return plan.chunks;
  }

  /** Records that a chunk's keys and values are in the cache. */
  complete({ sequence, count }: ScheduledChunk<S>): void {
    sequence.computed += count;
    this.#blocks.commit(sequence.id, count);
  }

  /** Schedules the next tokens of a running sequence, unless it was or has to be preempted. */
  #continue(sequence: S, plan: StepPlan<S>): void {
    const count = Math.min(sequence.pending, plan.budget);
    if (count === 0 || !this.#running.includes(sequence)) return;
    while (!this.#blocks.canAppend(sequence.id, count)) {
      if (this.#preemptNewest(plan) === sequence) return;
    }
    const ids = sequence.tokens.slice(sequence.computed, sequence.computed + count);
    plan.add({ sequence, count, slots: this.#blocks.append(sequence.id, ids).slots });
  }

  #preemptNewest(plan: StepPlan<S>): S {
    const victim = this.#running.pop() as S;
    this.#blocks.free(victim.id);
    plan.drop(victim);
    victim.computed = 0;
    victim.preemptions++;
    this.preemptions++;
    insertById(this.#waiting, victim);
    return victim;
  }

  /** Lets waiting sequences in, as far as there is room. */
  #admitWaiting(plan: StepPlan<S>): void {
    const candidates = this.#waiting.slice();
    for (const sequence of candidates) {
      if (plan.budget === 0 || this.#running.length === this.#options.maxSequences) return;
      if (this.#options.prefixCache && this.#prefixIsBeingComputed(sequence)) continue;
      try {
        if (!this.#admit(sequence, plan)) return;
      } catch (error) {
        this.remove(sequence);
        this.#onFailure(sequence, error);
      }
    }
  }

  /**
   * Lets a sequence in if there are blocks for all its tokens, though it takes only those of its first chunk: otherwise
   * long prompts would push each other out half-way.
   */
  #admit(sequence: S, plan: StepPlan<S>): boolean {
    const { id, tokens, salt } = sequence;
    if (!this.#blocks.canAllocate(tokens, { salt })) return false;
    const { cachedTokens } = this.#blocks.allocate(id, tokens, { salt, reserve: plan.budget });
    sequence.computed = cachedTokens;
    if (sequence.preemptions === 0) this.#countPrompt(sequence);
    removeFrom(this.#waiting, sequence);
    insertById(this.#running, sequence);
    const count = Math.min(sequence.pending, plan.budget);
    plan.add({ sequence, count, slots: this.#blocks.slots(id, cachedTokens, cachedTokens + count) });
    return true;
  }

  #countPrompt(sequence: S): void {
    sequence.cachedTokens = sequence.computed;
    this.promptTokens += sequence.promptLength;
    this.cachedPromptTokens += sequence.computed;
  }

  /** Whether a sequence in prefill is about to compute blocks that this one then finds in the prefix cache. */
  #prefixIsBeingComputed({ tokens, salt }: S): boolean {
    const { blockSize } = this.#blocks;
    return this.#running.some((other) => {
      if (other.pending === 1 || other.salt !== salt) return false;
      const length = Math.min(tokens.length - 1, other.tokens.length);
      const shared = Math.floor(commonLength(tokens, other.tokens, length) / blockSize) * blockSize;
      return shared > other.computed;
    });
  }
}

/** How many of the first `length` tokens are the same. */
function commonLength(a: readonly number[], b: readonly number[], length: number): number {
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

function removeFrom<S extends Sequence>(sequences: S[], sequence: S): boolean {
  const index = sequences.indexOf(sequence);
  if (index !== -1) sequences.splice(index, 1);
  return index !== -1;
}

function insertById<S extends Sequence>(sequences: S[], sequence: S): void {
  const newer = sequences.findIndex(({ id }) => id > sequence.id);
  sequences.splice(newer === -1 ? sequences.length : newer, 0, sequence);
}
