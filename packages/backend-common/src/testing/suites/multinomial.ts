import { expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { DescribeSuite } from '../describe_suite.ts';

const SAMPLES = 4000;

/** How often each event was drawn. */
function frequencies(samples: tf.Tensor, events: number): number[][] {
  const rows = samples.arraySync() as number[][];
  return rows.map((row) =>
    Array.from({ length: events }, (_, event) => row.filter((drawn) => drawn === event).length / row.length),
  );
}

/** Draws of events by their probabilities. */
export function multinomialSuite(describeSuite: DescribeSuite): void {
  describeSuite('draws', () => {
    test.each([false, true])('events come as often as they should, normalized: %s', (isNormalized) => {
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

    test('a seed decides', () => {
      const logits = tf.zeros<tf.Rank.R2>([2, 50]);
      const draw = (seed: number): number[] => [...tf.multinomial(logits, 100, seed).dataSync()];
      expect(draw(1)).toEqual(draw(1));
      expect(draw(1)).not.toEqual(draw(2));
      expect(draw(0.25)).not.toEqual(draw(0.5));
    });
  });
}
