import * as whole from '@tensorflow/tfjs';
import { expect, test } from '@jest/globals';
import * as own from './index.ts';
import * as tf from './tfjs.ts';

whole.env().set('IS_TEST', true); // keeps tfjs's advice to itself

test('no export of ours has the name of one of tfjs', () => {
  expect(Object.keys(own).filter((name) => name in whole)).toEqual([]);
});

test('has every export of tfjs and of ours', () => {
  const names = new Set([...Object.keys(whole), ...Object.keys(own)]);
  names.delete('default');
  expect(names.size).toBeGreaterThan(520);
  expect(Object.keys(tf).toSorted()).toEqual([...names].toSorted());
});

test('differentiates through tfjs ops', () => {
  const derivative = tf.grad((x) => x.square().mul(3).sum());
  expect([...derivative(tf.tensor1d([1, -2, 0.5])).dataSync()]).toEqual([6, -12, 3]);
});

test('trains a layer on the output of our op', async () => {
  const features = tf.siluAndMul(
    tf.tensor2d([
      [1, 2, 3, 4],
      [4, 3, 2, 1],
      [-1, 0, 5, 2],
      [2, 2, 0, 1],
    ]),
  );
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 1, inputShape: [2] })] });
  model.compile({ optimizer: tf.train.adam(0.1), loss: 'meanSquaredError' });
  const { history } = await model.fit(features, tf.tensor2d([[1], [2], [3], [4]]), {
    epochs: 30,
  });
  expect(Number(history.loss.at(-1))).toBeLessThan(Number(history.loss[0]) / 2);
});

test('our ops have no gradient, and throw instead of returning zeros', () => {
  const derivative = tf.grad((x) => tf.siluAndMul(x).sum());
  expect(() => derivative(tf.ones([1, 4]))).toThrow(/gradient function not found for SiluAndMul/);
});
