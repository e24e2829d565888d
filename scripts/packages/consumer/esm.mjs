import assert from 'node:assert/strict';
import * as core from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import * as tfjsCore from '@tensorflow/tfjs-core';

for (const name of [...Object.keys(core), ...Object.keys(tfjsCore)]) {
  if (name !== 'default' && name !== 'module.exports') assert.ok(name in tf, `tf.${name} is missing`);
}
assert.equal(core.pagedAttention, tf.pagedAttention);

await tf.setBackend('cpu');
const gated = tf.siluAndMul(tf.tensor2d([[0, 40, 5, 2]])).add(1);
assert.deepEqual([...gated.dataSync()], [1, 81]);
assert.throws(() => tf.siluAndMul(tf.zeros([2, 7])), core.AttentionError);

await import('@attention-js/llm');

await import('@attention-js/backend-metal'); // reports what is missing only when it is selected
if (process.platform !== 'darwin') await assert.rejects(tf.setBackend('metal'), { code: 'ERR_NO_DEVICE' });
await assert.rejects(import('@attention-js/core/dist/index.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
