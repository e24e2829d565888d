import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { afterEach, beforeEach, expect } from '@jest/globals';
import { Engine } from '../engine/index.ts';
import type { EngineOptions } from '../engine/index.ts';
import { HistoryModel } from './history_model.ts';

/** Vocabulary size of {@link testEngine}'s model. */
export const VOCAB_SIZE = 64;

tf.env().set('IS_TEST', true); // silences tfjs's advice about its node backend

/** An engine over a {@link HistoryModel} on `cpu`, with a small cache. */
export function testEngine(options: Partial<EngineOptions> = {}): Engine {
  return new Engine({
    model: new HistoryModel({ vocabSize: VOCAB_SIZE }),
    blockSize: 8,
    numBlocks: 64,
    ...options,
  });
}

/** `length` token ids, a different list for each `from`. */
export function tokens(length: number, from = 0): number[] {
  return Array.from({ length }, (_, i) => (from + i * 7) % VOCAB_SIZE);
}

/** Runs each test of a file on `cpu`, and fails those that leak tensors. */
export function expectNoLeaksInEachTest(): void {
  let tensors: number;
  beforeEach(async () => {
    await tf.setBackend('cpu');
    tensors = tf.memory().numTensors;
  });
  afterEach(() => expectTensors(tensors));
}

function expectTensors(count: number): void {
  expect(tf.memory().numTensors).toBe(count);
}
