import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from '@jest/globals';
import type { RopeScaling } from '../config/model_config.ts';
import type { WeightLoader } from '../models/weights.ts';
import { Rotary, ropeFrequencies } from './rotary.ts';

const frequencies = (scaling: RopeScaling): number[] => [...ropeFrequencies({ theta: 100, scaling }, 8)];

/** 1, 0.3162…, 0.1, 0.0316…: their periods are 6.3, 19.9, 62.8 and 198.7 tokens. */
const plain = [1, 1 / Math.sqrt(10), 0.1, 0.1 / Math.sqrt(10)];

function expectClose(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 6));
}

test('frequencies fall geometrically', () => {
  expectClose(frequencies({ type: 'default' }), plain);
});

test('linear scaling divides all of them', () => {
  const quarters = plain.map((frequency) => frequency / 4);
  expectClose(frequencies({ type: 'linear', factor: 4 }), quarters);
});

test('llama3 scaling keeps fast ones, divides slow ones and blends between', () => {
  const scaling = { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4 } as const;
  const turns = 128 / (20 * Math.PI); // of the third frequency in 128 tokens: between 1 and 4
  const kept = (turns - 1) / 3;
  expectClose(frequencies({ ...scaling, originalMaxPositions: 128 }), [
    plain[0],
    plain[1],
    kept * plain[2] + ((1 - kept) * plain[2]) / 8,
    plain[3] / 8,
  ]);
});

test('angles of late positions are those of float32, as in PyTorch', async () => {
  tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself
  await tf.setBackend('cpu');
  const position = 100_003;
  const angle = Float32Array.of(position * Float32Array.of(0.1)[0])[0];
  expect(Math.abs(Math.cos(angle) - Math.cos(position * 0.1))).toBeGreaterThan(1e-5);
  const rotated = tf.tidy(() => {
    const weights = {
      table: (shape: [number, number], values: () => Float32Array) => tf.tensor2d(values(), shape),
    } as unknown as WeightLoader;
    const rotary = new Rotary(weights, { theta: 100, scaling: { type: 'default' } }, 4, position + 1);
    const head = tf.tensor3d([0, 1, 0, 0], [1, 1, 4]);
    return [...rotary.forward(head, head, tf.tensor1d([position], 'int32'))[0].dataSync()];
  });
  expect(rotated[1]).toBeCloseTo(Math.cos(angle), 6);
  expect(rotated[3]).toBeCloseTo(Math.sin(angle), 6);
});
