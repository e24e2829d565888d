import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import * as tf from '@attention-js/core/tf';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { softcapCpu } from './softcap.cpu.ts';
import { softcap, softcapOp } from './softcap.ts';

beforeEach(() => tf.setBackend('cpu'));
beforeEach(() => tf.engine().startScope());
afterEach(() => tf.engine().endScope());

test('agrees with the same formula in tfjs ops', () => {
  const x = tf.randomNormal([4, 7], 0, 40, 'float32', 1);
  const expected = x.div(30).tanh().mul(30).dataSync();
  const actual = softcap(x, 30);
  assert.deepEqual(actual.shape, [4, 7]);
  actual.dataSync().forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-5));
});

test('keeps the storage type and rounds to it', () => {
  const x = tf.castStorage(tf.tensor1d([1, 20, -300]), 'bfloat16');
  const capped = softcap(x, 30);
  assert.equal(tf.storageOf(capped), 'bfloat16');
  assert.deepEqual([...capped.dataSync()], [1, 17.5, -30]);
});

test('leaks nothing', () => {
  const x = tf.ones([8]);
  const before = tf.memory().numTensors;
  softcap(x, 1).dispose();
  assert.equal(tf.memory().numTensors, before);
});

test('names argument, expected and received', () => {
  const x = tf.ones([2]);
  assert.throws(() => softcap(x, 0), {
    code: 'ERR_RANGE',
    message: '[softcap] cap: expected a finite number > 0, received 0',
  });
  assert.throws(() => softcap(x.toInt(), 30), {
    code: 'ERR_DTYPE',
    message: '[softcap] x: expected float32, received int32',
  });
});

test('a backend without a kernel says so, until it is given one', async () => {
  tf.registerBackend('other', () => new MathBackendCPU());
  await tf.setBackend('other');
  const x = tf.tensor1d([0, 1e9]);
  assert.throws(() => softcap(x, 30), { code: 'ERR_UNSUPPORTED', message: '[softcap] no other kernel' });

  softcapOp.kernel('other', softcapCpu); // this backend keeps its data as `cpu` does
  assert.deepEqual([...softcap(x, 30).dataSync()], [0, 30]);
});
