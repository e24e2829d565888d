const assert = require('node:assert/strict');
const core = require('@attention-js/core');
const tf = require('@attention-js/core/tfjs');
const tfjs = require('@tensorflow/tfjs');

for (const name of [...Object.keys(core), ...Object.keys(tfjs)])
  assert.ok(name in tf, `tf.${name} is missing`);
assert.deepEqual([...tf.siluAndMul(tf.tensor2d([[0, 40, 5, 2]])).dataSync()], [0, 80]);
