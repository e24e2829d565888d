import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AttentionError } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { softcap } from './softcap.ts';
import './softcap.cuda.ts';
import './softcap.metal.ts';

process.env.ATTENTION_METAL_EMULATOR ??= '1'; // without a Mac: on the CPU, where the addon was built for that

/** Why a backend cannot be had here, to be shown with the tests that are left out. */
async function whyMissing(backend: string): Promise<string | false> {
  try {
    await tf.setBackend(backend);
    return false;
  } catch (error) {
    return error instanceof AttentionError ? error.message : String(error);
  }
}

for (const backend of ['cuda', 'metal']) {
  const missing = await whyMissing(backend);
  const skip = backend === 'metal' && process.env.CI ? false : missing;

  void describe(backend, { skip }, () => {
    beforeEach(() => tf.setBackend(backend));
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());

    test('agrees with the same formula in tfjs ops', () => {
      const x = tf.randomNormal([4, 77], 0, 40, 'float32', 1);
      const expected = x.div(30).tanh().mul(30).dataSync();
      const actual = softcap(x, 30);
      assert.deepEqual(actual.shape, [4, 77]);
      actual.dataSync().forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-5));
    });

    for (const storage of ['float16', 'bfloat16'] as const) {
      test(`keeps ${storage} and rounds to it`, () => {
        const capped = softcap(tf.castStorage(tf.tensor1d([1, 20, -300]), storage), 30);
        assert.equal(tf.storageOf(capped), storage);
        assert.equal(tf.engine().backend.readSync(capped.dataId).length, 3);
        assert.equal(capped.dataSync()[2], -30);
      });
    }

    test('takes no elements', () => {
      assert.deepEqual(softcap(tf.zeros([0, 3]), 30).shape, [0, 3]);
    });
  });
}
