import type { BlockManager } from '@attention-js/core';
import type { Sequence } from './sequence.ts';
import { StepPlan } from './step_plan.ts';
import type { ScheduledChunk } from './step_plan.ts';

const NO_COPIES = new Int32Array(0);

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
 * the prefill of those that have begun, then new ones, as far as the token budget and the blocks go. If blocks run
 * out, the newest running sequence loses its own and is computed anew later (preemption by recompute).
 *
 * Every sequence must fit into the cache by itself; then none waits forever.
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

  /** @param onFailure Called with a sequence that cannot be scheduled; it is removed, and the others go on. */
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

  /** Adds a sequence, to take its turns in the order of the ids. */
  add(sequence: S): void {
    insertById(this.#waiting, sequence);
  }

  /** Forgets a sequence and frees its blocks. Does nothing for one that is gone already. */
  remove(sequence: S): void {
    removeFrom(this.#waiting, sequence);
    if (removeFrom(this.#running, sequence)) this.#blocks.free(sequence.id);
  }

  /**
   * Chooses the next step's chunks and gives them slots. Empty only when no sequence is left. A sequence that cannot be
   * scheduled is given up; the others go on.
   */
  schedule(): ScheduledChunk<S>[] {
    const plan = new StepPlan<S>(this.#options.maxTokensPerStep);
    const running = this.#running.map((sequence) => ({ sequence, isDecode: this.#pending(sequence) === 1 }));
    for (const isDecode of [true, false]) {
      for (const turn of running) {
        if (turn.isDecode !== isDecode) continue;
        this.#attempt(turn.sequence, () => this.#continue(turn.sequence, plan));
      }
    }
    this.#admitWaiting(plan);
    return plan.chunks;
  }

  /** Records that a chunk's keys and values are in the cache. */
  complete({ sequence, count }: ScheduledChunk<S>): void {
    this.#blocks.commit(sequence.id, count);
  }

  /** Tokens of a running sequence that have keys and values in the cache. */
  #computed({ id }: S): number {
    return this.#blocks.sequence(id).committed;
  }

  /** Tokens of a running sequence to compute before the next one can be sampled: 1 in decode, more in prefill. */
  #pending(sequence: S): number {
    return sequence.tokens.length - this.#computed(sequence);
  }

  /** Gives up only `sequence` if `turn` throws. */
  #attempt<T>(sequence: S, turn: () => T): T | undefined {
    try {
      return turn();
    } catch (error) {
      this.remove(sequence);
      this.#onFailure(sequence, error);
      return undefined;
    }
  }

  /** Schedules the next tokens of a running sequence, unless it was or has to be preempted. */
  #continue(sequence: S, plan: StepPlan<S>): void {
    if (plan.budget === 0 || !this.#running.includes(sequence)) return;
    const { id, tokens } = sequence;
    const start = this.#computed(sequence);
    const count = Math.min(tokens.length - start, plan.budget);
    while (!this.#blocks.canAppend(id, count)) {
      if (this.#preemptNewest(plan) === sequence) return;
    }
    const { slots, copies } = this.#blocks.append(id, tokens.slice(start, start + count));
    plan.add({ sequence, start, count, slots, copies });
  }

  #preemptNewest(plan: StepPlan<S>): S {
    const victim = this.#running.pop() as S;
    this.#blocks.free(victim.id);
    plan.drop(victim);
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
      const turn = this.#attempt(sequence, () => this.#admit(sequence, plan));
      if (turn === 'no room') return;
    }
  }

  /**
   * Lets a sequence in if there are blocks for all its tokens, though it takes only those of its first chunk: otherwise
   * long prompts would push each other out half-way.
   */
  #admit(sequence: S, plan: StepPlan<S>): 'admitted' | 'waits' | 'no room' {
    if (this.#options.prefixCache && this.#prefixIsBeingComputed(sequence)) return 'waits';
    const { id, tokens, salt } = sequence;
    if (!this.#blocks.canAllocate(tokens, { salt })) return 'no room';
    const { cachedTokens: start } = this.#blocks.allocate(id, tokens, { salt, reserve: plan.budget });
    if (sequence.preemptions === 0) this.#countPrompt(sequence, start);
    removeFrom(this.#waiting, sequence);
    insertById(this.#running, sequence);
    const count = Math.min(tokens.length - start, plan.budget);
    plan.add({
      sequence,
      start,
      count,
      slots: this.#blocks.slots(id, start, start + count),
      copies: NO_COPIES,
    });
    return 'admitted';
  }

  #countPrompt(sequence: S, cachedTokens: number): void {
    sequence.cachedTokens = cachedTokens;
    this.promptTokens += sequence.promptLength;
    this.cachedPromptTokens += cachedTokens;
  }

  /** Whether a sequence in prefill is about to compute blocks that this one then finds in the prefix cache. */
  #prefixIsBeingComputed({ tokens, salt }: S): boolean {
    const { blockSize } = this.#blocks;
    return this.#running.some((other) => {
      if (other.salt !== salt) return false;
      const computed = this.#computed(other);
      if (computed >= other.tokens.length - 1) return false; // in decode
      const length = Math.min(tokens.length - 1, other.tokens.length);
      const shared = Math.floor(commonLength(tokens, other.tokens, length) / blockSize) * blockSize;
      return shared > computed;
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
  let index = sequences.length; // from the end: most sequences are the newest
  while (index > 0 && sequences[index - 1].id > sequence.id) index--;
  sequences.splice(index, 0, sequence);
}
