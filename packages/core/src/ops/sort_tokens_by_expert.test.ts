import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { checkBounds, describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { sortTokensByExpert } from './sort_tokens_by_expert.ts';

function run(ids: number[][], numExperts: number): { pairs: number[]; experts: number[] } {
  const order = sortTokensByExpert(tf.tensor2d(ids, undefined, 'int32'), numExperts);
  expect([order.sortedTokenIds.dtype, order.expertIds.dtype]).toEqual(['int32', 'int32']);
  return { pairs: order.sortedTokenIds.arraySync(), experts: order.expertIds.arraySync() };
}

describeOnBackends('sortTokensByExpert', (backendName) => {
  test('orders pairs by expert and keeps token order within one', () => {
    const ids = [
      [2, 0],
      [0, 2],
      [3, 2],
    ];
    expect(run(ids, 5)).toEqual({ pairs: [1, 2, 0, 3, 5, 4], experts: [0, 0, 2, 2, 2, 3] });
  });

  test.each([
    [1, 1, 1],
    [5, 2, 8],
    [33, 8, 128],
    [200, 4, 3],
  ])('agrees with a stable comparison sort: %d tokens, k %d, %d experts', (tokens, k, numExperts) => {
    const random = new Random(tokens);
    const ids = Array.from({ length: tokens }, () =>
      Array.from({ length: k }, () => random.integer(0, numExperts - 1)),
    );
    const pairs = ids
      .flat()
      .map((expert, pair) => ({ expert, pair }))
      .toSorted((a, b) => a.expert - b.expert);
    expect(run(ids, numExperts)).toEqual({
      pairs: pairs.map(({ pair }) => pair),
      experts: pairs.map(({ expert }) => expert),
    });
  });

  test('takes no tokens', () => {
    const { sortedTokenIds, expertIds } = sortTokensByExpert(tf.zeros([0, 2], 'int32'), 4);
    expect([sortedTokenIds.shape, expertIds.shape]).toEqual([[0], [0]]);
  });

  test('leaks nothing', () => {
    const ids = tf.zeros([3, 2], 'int32');
    expectNoLeak(() => ({ ...sortTokensByExpert(ids, 4) }));
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => sortTokensByExpert(tf.zeros([6], 'int32'), 4),
      'ERR_SHAPE',
      '[sortTokensByExpert] ids: expected shape [tokens, k], received [6]',
    );
    expectAttentionError(
      () => sortTokensByExpert(tf.zeros([3, 2]), 4),
      'ERR_DTYPE',
      '[sortTokensByExpert] ids: expected int32, received float32',
    );
    expectAttentionError(
      () => sortTokensByExpert(tf.zeros([3, 2], 'int32'), 0),
      'ERR_RANGE',
      '[sortTokensByExpert] numExperts: expected an integer >= 1 and <= 65536, received 0',
    );
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    test.each([4, -1])('rejects expert id %d of 4', (id) => {
      const ids = [
        [0, 3],
        [1, id],
      ];
      expectAttentionError(
        () => run(ids, 4),
        'ERR_RANGE',
        `[sortTokensByExpert] ids: expected expert ids >= 0 and < 4, received ${id} for pair 3`,
      );
    });
  });
});
