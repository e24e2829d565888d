// Selects the GPU backend, with the platform package installed or (`no-addon`) without it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import * as tf from '@attention-js/core/tf';
import '@attention-js/backend-cuda';

if (process.argv[2] === 'no-addon') {
  await assert.rejects(tf.setBackend('cuda'), { code: 'ERR_ADDON_MISSING' });
} else if (existsSync('/dev/nvidiactl')) {
  await tf.setBackend('cuda');
  assert.deepEqual(await tf.siluAndMul(tf.tensor1d([0, 40, 5, 2])).data(), new Float32Array([0, 80]));
} else {
  await assert.rejects(tf.setBackend('cuda'), { code: 'ERR_NO_DRIVER' });
}
