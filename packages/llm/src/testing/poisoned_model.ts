import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelInput } from '../models/index.ts';
import { HistoryModel } from './history_model.ts';
import { VOCAB_SIZE } from './test_engine.ts';

/** The token after which a {@link PoisonedModel} gives unusable logits. The model never generates it itself. */
export const POISON = VOCAB_SIZE - 1;

/** A {@link HistoryModel} whose logits after token {@link POISON} all have one value. */
export class PoisonedModel extends HistoryModel {
  readonly #value: number;

  /** @param value NaN, or an infinity. */
  constructor(value = Number.NaN) {
    super({ vocabSize: VOCAB_SIZE });
    this.#value = value;
  }

  override forward(input: ModelInput): Tensor2D {
    const ids = input.tokenIds.dataSync();
    const rows = [...(input.logitRows?.dataSync() ?? ids.keys())];
    const logits = super.forward(input);
    const values = logits.dataSync();
    logits.dispose();
    const poisoned = values.map((logit, i) => {
      if (ids[rows[Math.floor(i / VOCAB_SIZE)]] === POISON) return this.#value;
      return i % VOCAB_SIZE === POISON ? -100 : logit;
    });
    return tf.tensor2d(poisoned as Float32Array, [rows.length, VOCAB_SIZE]);
  }
}
