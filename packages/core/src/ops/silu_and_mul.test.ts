import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { siluAndMul } from './silu_and_mul.ts';
import { expectSameAsCpu } from '../testing/expect_same_as_cpu.ts';

function reference(values: ArrayLike<number>, n: number): Float64Array {
  return Float64Array.from({ length: values.length / 2 }, (_, i) => {
    const gate = values[Math.floor(i / n) * 2 * n + (i % n)];
    const up = values[Math.floor(i / n) * 2 * n + n + (i % n)];
    return (gate / (1 + Math.exp(-gate))) * up;
  });
}

describeOnBackends('siluAndMul', () => {
  test.each(ELEMENT_STORAGE_TYPES)('agrees with float64 in %s', (storage) => {
    const { tensor, values } = randomTensor(new Random(1), [5, 3, 26], storage, 3);
    expectMatches(siluAndMul(tensor), reference(values, 13), [5, 3, 13], storage);
  });

  test('keeps large gates finite', () => {
    expect([...siluAndMul(tf.tensor([-200, 200, 0, 2, 2, 2])).dataSync()]).toEqual([-0, 400, 0]);
  });

  test('takes no rows', () => {
    expect(siluAndMul(tf.zeros([0, 8])).shape).toEqual([0, 4]);
  });

  test('leaks nothing', () => {
    const x = tf.ones([2, 8]);
    expectNoLeak(() => siluAndMul(x));
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => siluAndMul(tf.zeros([2, 7])),
      'ERR_SHAPE',
      '[siluAndMul] x: expected shape [.., 2n]: gate, then up, received [2, 7]',
    );
    expectAttentionError(
      () => siluAndMul(tf.scalar(1)),
      'ERR_SHAPE',
      '[siluAndMul] x: expected shape [.., 2n]: gate, then up, received []',
    );
    expectAttentionError(
      () => siluAndMul(tf.zeros([2, 8], 'int32')),
      'ERR_DTYPE',
      '[siluAndMul] x: expected float32, received int32',
    );
  });
});

describeOnDevices('siluAndMul on rows of several blocks of threads', () => {
  // 8 elements per access if the width is a multiple of 8.
  test.each(ELEMENT_STORAGE_TYPES)('agrees with cpu in %s', async (storage) => {
    await expectSameAsCpu(() =>
      [2 * 4160, 2 * 701].map((width) =>
        siluAndMul(randomTensor(new Random(1), [2, width], storage, 3).tensor),
      ),
    );
  });
});
