import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { expect, test } from '@jest/globals';
import type { RopeConfig, RopeScaling } from '../config/model_config.ts';
import { computeTable } from '../models/compute_table.ts';
import type { FillRows } from '../models/compute_table.ts';
import type { WeightLoader } from '../models/weights.ts';
import { Rotary, ropeFrequencies } from './rotary.ts';

const rope = (scaling: RopeScaling): RopeConfig => ({
  theta: 100,
  scaling,
  rotaryDim: 8,
  interleaved: false,
});
const frequencies = (scaling: RopeScaling): number[] => [...ropeFrequencies(rope(scaling))];

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

/** Frequencies that transformers 5.17 computes for heads of 16 with base 10,000. */
test.each([
  [
    { factor: 4, originalMaxPositions: 1024, truncate: true, attentionFactor: 1 },
    [
      1, 0.316227764, 0.0812500045, 0.0197642371, 0.00437500002, 0.000790569466, 0.000250000012,
      7.90569466e-5,
    ],
  ],
  [
    { factor: 40, originalMaxPositions: 4096, truncate: false, attentionFactor: 1 },
    [1, 0.316227764, 0.100000001, 0.0277108587, 0.00552406255, 0.000722638157, 2.49999994e-5, 7.90569447e-6],
  ],
])('yarn scaling %j', (scaling, expected) => {
  const config = { theta: 10_000, rotaryDim: 16, interleaved: false };
  const yarn = { type: 'yarn', betaFast: 32, betaSlow: 1, ...scaling } as const;
  const actual = [...ropeFrequencies({ ...config, scaling: yarn })];
  actual.forEach((frequency, i) => expect(Math.abs(frequency / expected[i] - 1)).toBeLessThan(1e-6));
});

test('longrope scaling divides each by its short factor', () => {
  const scaling = { type: 'longrope', shortFactors: [1, 2, 4, 8], originalMaxPositions: 64 } as const;
  expectClose(
    frequencies({ ...scaling, attentionFactor: 1.5 }),
    plain.map((frequency, i) => frequency / 2 ** i),
  );
});

test('angles of late positions are those of float32, as in PyTorch', async () => {
  tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself
  await tf.setBackend('cpu');
  const position = 100_003;
  const angle = Float32Array.of(position * Float32Array.of(0.1)[0])[0];
  expect(Math.abs(Math.cos(angle) - Math.cos(position * 0.1))).toBeGreaterThan(1e-5);
  const weights = {
    table: async (shape: [number, number], fill: FillRows) =>
      tf.tensor2d(await computeTable(shape, fill), shape),
  } as unknown as WeightLoader;
  const config = { ...rope({ type: 'default' }), rotaryDim: 4 };
  const rotary = await Rotary.load(weights, config, position + 1);
  const rotated = tf.tidy(() => {
    const head = tf.tensor3d([0, 1, 0, 0], [1, 1, 4]);
    return [...rotary.forward(head, head, tf.tensor1d([position], 'int32'))[0].dataSync()];
  });
  expect(rotated[1]).toBeCloseTo(Math.cos(angle), 6);
  expect(rotated[3]).toBeCloseTo(Math.sin(angle), 6);
});

test('a long table is computed in slices: the event loop goes on', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const shape = [2 ** 17, 32] as const;
  const table = await computeTable(shape, (rows, firstRow) => {
    for (let i = 0; i < rows.length; i++) rows[i] = Math.cos(firstRow * 32 + i);
  });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(5);
  expect(table).toHaveLength(2 ** 22);
  for (const i of [0, 1, 65_535, 65_536, 2 ** 22 - 1]) expect(table[i]).toBe(Math.fround(Math.cos(i)));
});
