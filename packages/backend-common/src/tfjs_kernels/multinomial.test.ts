import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { castStorage } from '@attention-js/core';
import { STORAGES } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

const SAMPLES = 4000;

/** Counts how often each event was drawn. */
function frequencies(samples: tf.Tensor, events: number): number[][] {
  const rows = samples.arraySync() as number[][];
  return rows.map((row) =>
    Array.from({ length: events }, (_, event) => row.filter((drawn) => drawn === event).length / row.length),
  );
}

/** Sampling from distributions. */
describeOnDevices('draws', () => {
  test.each([false, true])('frequencies match probabilities, normalized: %s', (isNormalized) => {
    const wanted = [
      [0.1, 0.6, 0.3],
      [0, 0, 1],
      [0.5, 0.5, 0],
    ];
    const probabilities = tf.tensor2d(wanted);
    const logits = isNormalized ? probabilities : tf.log(probabilities);
    const drawn = frequencies(tf.multinomial(logits, SAMPLES, 7, isNormalized), 3);
    for (const [row, expected] of wanted.entries()) {
      for (const [event, probability] of expected.entries()) {
        const error = Math.abs(drawn[row][event] - probability);
        expect(error).toBeLessThanOrEqual(4 * Math.sqrt((probability * (1 - probability)) / SAMPLES));
      }
    }
  });

  test('many events', () => {
    const events = 5000;
    const logits = tf.tensor2d(new Float32Array(events), [1, events]);
    const drawn = [...tf.multinomial(logits, SAMPLES, 3).dataSync()];
    expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...drawn)).toBeLessThan(events);
    const mean = drawn.reduce((sum, event) => sum + event, 0) / SAMPLES;
    expect(Math.abs(mean / events - 0.5)).toBeLessThan(4 / Math.sqrt(12 * SAMPLES));
  });

  test.each(STORAGES)('rows with one possible event, in %s', (storage) => {
    const events = 300;
    const certain = [0, 17, 299, 298];
    const probabilities = tf.oneHot(tf.tensor1d(certain, 'int32'), events);
    const normalized = castStorage(tf.cast(probabilities, 'float32'), storage);
    const logits = castStorage(tf.log(tf.cast(probabilities, 'float32')), storage);
    const expected = certain.flatMap((event) => Array.from<number>({ length: 50 }).fill(event));
    for (const [rows, isNormalized] of [
      [normalized, true],
      [logits, false],
    ] as const) {
      const drawn = tf.multinomial(rows as tf.Tensor2D, 50, 5, isNormalized);
      expect([...drawn.dataSync()]).toEqual(expected);
    }
  });

  test('the seed determines the draws', () => {
    const logits = tf.zeros<tf.Rank.R2>([2, 50]);
    const draw = (seed: number): number[] => [...tf.multinomial(logits, 100, seed).dataSync()];
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(0.25)).not.toEqual(draw(0.5));
  });
});
