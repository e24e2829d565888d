import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { SamplingParameters } from './generate_options.ts';

type Penalties = Pick<SamplingParameters, 'repetitionPenalty' | 'presencePenalty' | 'frequencyPenalty'>;

/** The tokens of one request that its penalties apply to, and how often each was generated. */
export class TokenPenalties {
  readonly #penalties: Penalties;
  readonly #generatedCounts = new Map<number, number>();

  private constructor(penalties: Penalties, prompt: readonly number[]) {
    this.#penalties = penalties;
    if (penalties.repetitionPenalty !== 1) for (const token of prompt) this.#generatedCounts.set(token, 0);
  }

  /** `undefined` for a request without penalties. */
  static from(penalties: Penalties, prompt: readonly number[]): TokenPenalties | undefined {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = penalties;
    const none = repetitionPenalty === 1 && presencePenalty === 0 && frequencyPenalty === 0;
    return none ? undefined : new TokenPenalties(penalties, prompt);
  }

  /** Counts a generated token. */
  add(token: number): void {
    this.#generatedCounts.set(token, (this.#generatedCounts.get(token) ?? 0) + 1);
  }

  /** How many tokens have a penalty. */
  get size(): number {
    return this.#generatedCounts.size;
  }

  /** Calls `visit` for each token with the factor of its logit and what is subtracted from it. */
  forEach(visit: (token: number, factor: number, subtracted: number) => void): void {
    const { repetitionPenalty, presencePenalty, frequencyPenalty } = this.#penalties;
    for (const [token, count] of this.#generatedCounts) {
      visit(token, repetitionPenalty, count === 0 ? 0 : presencePenalty + frequencyPenalty * count);
    }
  }
}

/**
 * Applies each row's penalties to its logits: one gather and one scatter over the (row, token) pairs that have one.
 * Repetition as in CTRL (Keskar et al. 2019), presence and frequency as in OpenAI's API.
 *
 * @param logits float32 `[rows, vocab]`.
 * @param penalties One for each row; `undefined` leaves the row as it is.
 * @returns float32 `[rows, vocab]`; `logits` itself if no row has a penalty.
 */
export function applyPenalties(
  logits: Tensor2D,
  penalties: readonly (TokenPenalties | undefined)[],
): Tensor2D {
  const size = penalties.reduce((sum, row) => sum + (row?.size ?? 0), 0);
  if (size === 0) return logits;
  const indices = new Int32Array(size * 2);
  const factors = new Float32Array(size);
  const subtracted = new Float32Array(size);
  let i = 0;
  penalties.forEach((rowPenalties, row) => {
    rowPenalties?.forEach((token, factor, minus) => {
      indices[2 * i] = row;
      indices[2 * i + 1] = token;
      factors[i] = factor;
      subtracted[i++] = minus;
    });
  });
  return tf.tidy(() => {
    const at = tf.tensor2d(indices, [size, 2], 'int32');
    const old = tf.gatherND(logits, at);
    const factor = tf.tensor1d(factors);
    const scaled = tf.where(tf.greater(old, 0), tf.div(old, factor), tf.mul(old, factor));
    return tf.tensorScatterUpdate(logits, at, tf.sub(scaled, tf.tensor1d(subtracted)));
  });
}
