// Uses one op and the methods of tensors.
import assert from 'node:assert/strict';
import * as tf from '@attention-js/core/tf';

assert.deepEqual(
  [
    ...tf
      .siluAndMul(tf.tensor2d([[0, 40, 5, 2]]))
      .add(1)
      .dataSync(),
  ],
  [1, 81],
);
