import assert from 'node:assert/strict';
import * as tf from '@attention-js/core/tfjs';
import * as core from '@attention-js/core';
import * as tfjs from '@tensorflow/tfjs';

for (const name of [...Object.keys(core), ...Object.keys(tfjs)]) {
  if (name !== 'default' && name !== 'module.exports') assert.ok(name in tf, `tf.${name} is missing`);
}
assert.deepEqual(
  [
    ...tf
      .siluAndMul(tf.tensor2d([[0, 40, 5, 2]]))
      .add(1)
      .dataSync(),
  ],
  [1, 81],
);
const derivative = tf.grad((x) => x.square().mul(3).sum());
assert.deepEqual([...derivative(tf.tensor1d([1, -2, 0.5])).dataSync()], [6, -12, 3]);
