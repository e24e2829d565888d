import * as core from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import * as own from './index.ts';
import * as tf from './tf.ts';

core.env().set('IS_TEST', true); // keeps tfjs's advice to itself

/** Exports of a module; `default` and `module.exports` are how Node shows a CommonJS module. */
function exportsOf(module: object): [string, unknown][] {
  return Object.entries(module).filter(([name]) => name !== 'default' && name !== 'module.exports');
}

test('no export of ours has the name of one of tfjs-core', () => {
  expect(Object.keys(own).filter((name) => name in core)).toEqual([]);
});

test('has every export of tfjs-core and of ours', () => {
  const expected = new Map([...exportsOf(core), ...exportsOf(own)]);
  const actual = new Map(exportsOf(tf));
  expect(expected.size).toBeGreaterThan(480);
  expect([...actual.keys()].toSorted()).toEqual([...expected.keys()].toSorted());
  for (const [name, value] of actual) expect(Object.is(value, expected.get(name))).toBe(true);
});

test('includes the cpu backend and tensor methods', async () => {
  expect(await tf.setBackend('cpu')).toBe(true);
  const gated = tf.siluAndMul(tf.tensor2d([[0, 40, 5, 2]])).add(1);
  expect([...gated.dataSync()]).toEqual([1, 81]);
});
