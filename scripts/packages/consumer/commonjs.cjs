const assert = require('node:assert/strict');
const core = require('@attention-js/core');
const tf = require('@attention-js/core/tf');
const tfjsCore = require('@tensorflow/tfjs-core');

for (const name of [...Object.keys(core), ...Object.keys(tfjsCore)]) {
  assert.ok(name in tf, `tf.${name} is missing`);
}
assert.equal(tf.Tensor, tfjsCore.Tensor);
assert.deepEqual(
  [
    ...tf
      .siluAndMul(tf.tensor2d([[0, 40, 5, 2]]))
      .add(1)
      .dataSync(),
  ],
  [1, 81],
);
assert.ok(require('@attention-js/llm'));
assert.equal(require('@attention-js/core/package.json').name, '@attention-js/core');
