import { sampleTokens } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../../core/src/testing/random.ts';
import type { DescribeSuite } from '../describe_suite.ts';

export function sampleTokensSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('sampleTokens on a device', () => {
    test('agrees with cpu where several warps share a row', async () => {
      const random = new Random(31);
      const [rows, vocabulary] = [24, 5003];
      const logits = random.normal(rows * vocabulary, 3);
      const perRow = <T>(values: T[]): T[] => Array.from({ length: rows }, () => random.pick(values));
      const parameters = {
        temperature: perRow([0, 0.5, 1, 1.5]),
        topK: perRow([0, 1, 40, 3000]),
        topP: perRow([1, 0.9, 0.3]),
        minP: perRow([0, 0.01, 0.2]),
        seeds: Array.from({ length: rows }, () => random.integer(-(2 ** 31), 2 ** 31 - 1)),
        positions: Array.from({ length: rows }, () => random.integer(0, 2 ** 31 - 1)),
      };
      const backendName = tf.getBackend();
      const sample = () => [...sampleTokens(tf.tensor2d(logits, [rows, vocabulary]), parameters).dataSync()];
      const tokens = sample();
      await tf.setBackend('cpu');
      const expected = sample();
      await tf.setBackend(backendName);
      expect(tokens).toEqual(expected);
      expect(new Set(tokens).size).toBeGreaterThan(rows / 2);
    });

    test.each([0, 1])(
      'gives -1 for a row without a distribution at temperature %d, and for no other',
      (temperature) => {
        const rows = [
          [0, NaN, 1],
          [0, 1, Infinity],
          [-Infinity, -Infinity, -Infinity],
          [-NaN, NaN, NaN],
          [-Infinity, 1, -Infinity],
        ];
        const tokens = sampleTokens(tf.tensor2d(rows), { temperature, seeds: 0, positions: 0 });
        expect(tokens.arraySync()).toEqual([-1, -1, -1, -1, 1]);
      },
    );

    test('takes a temperature that a device may hold for 0', () => {
      const logits = tf.tensor2d([[1, 3, 2]]);
      expect(sampleTokens(logits, { temperature: 1e-42, seeds: 0, positions: 0 }).arraySync()).toEqual([1]);
    });
  });
}
