import { test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { expectAsOnCpu, normal } from '../../../backend-common/src/testing/expect_as_on_cpu.ts';
import { describeOnCuda } from '../testing/cuda.ts';

describeOnCuda('kernels of tfjs that not every backend has', () => {
  test('tan', async () => {
    const x = normal([1000]);
    x.values = Float32Array.from(x.values, (value) => 1.5 * Math.tanh(value));
    await expectAsOnCpu([x], (angles) => tf.tan(angles), { bound: 3e-5 }); // steep near its poles
  });

  test('the k largest of many', async () => {
    await expectAsOnCpu([normal([3, 5000])], (x) => Object.values(tf.topk(x, 1000)));
    await expectAsOnCpu([normal([2, 4096])], (x) => Object.values(tf.topk(x, 4096)));
  });

  test('transposed matrices in batches', async () => {
    await expectAsOnCpu([normal([3, 7, 20]), normal([7, 4])], (a, b) => tf.matMul(a, b, true, false));
    await expectAsOnCpu([normal([2, 3, 7, 20]), normal([2, 3, 4, 7])], (a, b) => tf.matMul(a, b, true, true));
  });
});
