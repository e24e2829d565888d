import { rotaryEmbedding, STORAGE_TYPES } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { Random } from '../../../../core/src/testing/random.ts';
import { randomTensor } from '../../../../core/src/testing/tensors.ts';
import { expectSameAsCpu } from '../expect_same_as_cpu.ts';
import type { DescribeSuite } from '../describe_suite.ts';

const HEAD_SIZE = 64;

// Rotated in accesses of 8 elements where half of rotaryDim is a multiple of 8, else one by one.
const cases = STORAGE_TYPES.flatMap((storage) =>
  [true, false].flatMap((interleaved) =>
    [64, 48, 40].map((rotaryDim) => [storage, { interleaved, rotaryDim }] as const),
  ),
);

export function rotaryEmbeddingSuite(describeOnDevice: DescribeSuite): void {
  describeOnDevice('rotaryEmbedding on a device', () => {
    test.each(cases)('wide heads agree with cpu in %s, %j', async (storage, options) => {
      await expectSameAsCpu(() => {
        const random = new Random(1);
        const query = randomTensor(random, [3, 37, HEAD_SIZE], storage).tensor;
        const key = randomTensor(random, [3, 5, HEAD_SIZE], storage).tensor;
        const cos = randomTensor(random, [20, options.rotaryDim / 2]).tensor;
        const sin = randomTensor(random, [20, options.rotaryDim / 2]).tensor;
        return rotaryEmbedding(query, key, tf.tensor1d([19, 0, 7], 'int32'), cos, sin, options);
      });
    });

    test.each([8, 16])(
      'a position outside of the tables gives NaN in its token alone, rotaryDim %d',
      (dim) => {
        const x = tf.ones([4, 1, 24]);
        const table = tf.ones([6, dim / 2]);
        const positions = tf.tensor1d([5, 6, -1, 0], 'int32');
        for (const rotated of rotaryEmbedding(x, x, positions, table, table, { rotaryDim: dim })) {
          const outside = Array.from({ length: 24 }, (_, d) => d < dim);
          const none = outside.map(() => false);
          expect([...rotated.dataSync()].map(Number.isNaN)).toEqual([
            ...none,
            ...outside,
            ...outside,
            ...none,
          ]);
        }
      },
    );
  });
}
