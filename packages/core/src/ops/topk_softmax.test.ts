import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { checkBounds, describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { topkSoftmax } from './topk_softmax.ts';
import { nanRows } from '../testing/moe_case.ts';

interface Routing {
  weights: number[];
  ids: number[];
}

function reference(logits: ArrayLike<number>, numExperts: number, k: number, renormalize: boolean): Routing {
  const routing: Routing = { weights: [], ids: [] };
  for (let start = 0; start < logits.length; start += numExperts) {
    const row = Array.from({ length: numExperts }, (_, id) => logits[start + id]);
    const probabilities = row.map(
      (logit) => 1 / row.reduce((sum, other) => sum + Math.exp(other - logit), 0),
    );
    const ids = row.map((_, id) => id).toSorted((a, b) => row[b] - row[a] || a - b);
    const chosen = ids.slice(0, k);
    const total = renormalize ? chosen.reduce((sum, id) => sum + probabilities[id], 0) : 1;
    routing.ids.push(...chosen);
    routing.weights.push(...chosen.map((id) => probabilities[id] / total));
  }
  return routing;
}

describeOnBackends('topkSoftmax', (backendName) => {
  for (const renormalize of [false, true]) {
    test.each(ELEMENT_STORAGE_TYPES)(`agrees with float64 in %s, renormalize ${renormalize}`, (storage) => {
      const random = new Random(2);
      for (const [tokens, numExperts, k] of [
        [7, 8, 2],
        [3, 60, 4],
        [2, 128, 8],
        [4, 5, 5],
        [3, 4, 1],
      ]) {
        const { tensor, values } = randomTensor(random, [tokens, numExperts], storage, 3);
        const { weights, ids } = topkSoftmax(tensor, k, { renormalize });
        const expected = reference(values, numExperts, k, renormalize);
        expectMatches(weights, expected.weights, [tokens, k]);
        expect(ids.dtype).toBe('int32');
        expect(ids.shape).toEqual([tokens, k]);
        expect([...ids.dataSync()]).toEqual(expected.ids);
      }
    });
  }

  test('gives ties to the lower id', () => {
    const { ids } = topkSoftmax(
      tf.tensor2d([
        [1, 2, 2, 1, 2, 1],
        [0, 0, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 3],
      ]),
      4,
    );
    expect(ids.arraySync()).toEqual([
      [1, 2, 4, 0],
      [0, 1, 2, 3],
      [5, 0, 1, 2],
    ]);
  });

  test('does not renormalize unless asked', () => {
    const logits = tf.tensor2d([[0, 0, 0, 0]]);
    expect(topkSoftmax(logits, 2).weights.arraySync()).toEqual([[0.25, 0.25]]);
    expect(topkSoftmax(logits, 2, { renormalize: true }).weights.arraySync()).toEqual([[0.5, 0.5]]);
  });

  test('keeps large logits finite and closed experts at zero', () => {
    const { weights, ids } = topkSoftmax(tf.tensor2d([[-Infinity, 500, 500, -Infinity]]), 3);
    expect(weights.arraySync()).toEqual([[0.5, 0.5, 0]]);
    expect(ids.arraySync()).toEqual([[1, 2, 0]]);
  });

  test('takes no tokens', () => {
    const { weights, ids } = topkSoftmax(tf.zeros([0, 8]), 2);
    expect([weights.shape, ids.shape]).toEqual([
      [0, 2],
      [0, 2],
    ]);
  });

  test('leaks nothing', () => {
    const logits = tf.ones([3, 8]);
    expectNoLeak(() => ({ ...topkSoftmax(logits, 2, { renormalize: true }) }));
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => topkSoftmax(tf.zeros([8]), 2),
      'ERR_SHAPE',
      '[topkSoftmax] routerLogits: expected shape [tokens, experts], received [8]',
    );
    expectAttentionError(
      () => topkSoftmax(tf.zeros([2, 8], 'int32'), 2),
      'ERR_DTYPE',
      '[topkSoftmax] routerLogits: expected float32, received int32',
    );
    for (const k of [0, 9, 1.5]) {
      expectAttentionError(
        () => topkSoftmax(tf.zeros([2, 8]), k),
        'ERR_RANGE',
        `[topkSoftmax] k: expected an integer >= 1 and <= 8, received ${k}`,
      );
    }
  });

  test('rejects a renormalize that is no boolean', () => {
    expectAttentionError(
      () => topkSoftmax(tf.zeros([2, 8]), 2, { renormalize: 'no' as unknown as boolean }),
      'ERR_RANGE',
      '[topkSoftmax] renormalize: expected one of true, false, received "no"',
    );
  });

  describe('a token without a softmax', () => {
    checkBounds(backendName); // which finds no fault in it

    for (const renormalize of [false, true]) {
      test.each([
        ['NaN', [0, NaN, 1]],
        ['a NaN at first', [NaN, 0, 1]],
        ['NaN alone', [NaN, NaN, NaN]],
        ['+Infinity', [0, 1, Infinity]],
        ['nothing above -Infinity', [-Infinity, -Infinity, -Infinity]],
      ])(`gets NaN weights and valid ids, renormalize ${renormalize}: %s`, (_name, row) => {
        const healthy = [0, 2, 1];
        const { weights, ids } = topkSoftmax(tf.tensor2d([healthy, row, healthy]), 2, { renormalize });
        const alone = topkSoftmax(tf.tensor2d([healthy]), 2, { renormalize });
        const [expected] = alone.weights.arraySync();
        expect(weights.arraySync()).toEqual([expected, [NaN, NaN], expected]);
        const chosen = ids.arraySync();
        expect([chosen[0], chosen[2]]).toEqual([
          [1, 2],
          [1, 2],
        ]);
        expect(chosen[1].every((id) => id >= 0 && id < 3)).toBe(true);
        expect(new Set(chosen[1]).size).toBe(2);
      });

      test(`gets NaN weights for a NaN with its sign bit set, which sorts below all numbers, renormalize ${renormalize}`, () => {
        const logits = Float32Array.of(0, 0, 1, 2);
        new Uint32Array(logits.buffer)[1] = 0xffc00000;
        const { weights, ids } = topkSoftmax(tf.tensor2d(logits, [1, 4]), 2, { renormalize });
        expect(weights.arraySync()).toEqual([[NaN, NaN]]);
        expect(ids.arraySync()[0].every((id) => id >= 0 && id < 4)).toBe(true);
      });
    }
  });
});

describeOnDevices('topkSoftmax of rows without a softmax', () => {
  test('topkSoftmax gives a token without a softmax NaN weights and ids within range', () => {
    const rows = [
      [0, NaN, 1],
      [0, 1, Infinity],
      [-Infinity, -Infinity, -Infinity],
      [NaN, NaN, NaN],
      [0, 1, 2],
    ];
    for (const renormalize of [false, true]) {
      const { weights, ids } = topkSoftmax(tf.tensor2d(rows), 3, { renormalize });
      expect(nanRows(weights)).toEqual({ all: [0, 1, 2, 3], none: [4] });
      ids.arraySync().forEach((row) => expect(row.toSorted((a, b) => a - b)).toEqual([0, 1, 2]));
    }
  });
});
