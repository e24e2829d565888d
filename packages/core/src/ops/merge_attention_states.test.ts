import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { TOLERANCE, expectAttentionError, expectMatches, relativeError } from '../testing/compare.ts';
import { makePagedCase, oracleOf } from '../testing/paged_case.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { mergeAttentionStates } from './merge_attention_states.ts';
import { pagedAttentionWithLse } from './paged_attention.ts';

const [PARTS, TOKENS, HEADS, HEAD_SIZE] = [3, 5, 4, 16];

/** Σ exp(lse) · output / Σ exp(lse), without the care about overflow: the test's numbers are small. */
function reference(outputs: ArrayLike<number>, lses: ArrayLike<number>): { output: number[]; lse: number[] } {
  const rows = TOKENS * HEADS;
  const output: number[] = [];
  const lse: number[] = [];
  for (let row = 0; row < rows; row++) {
    const weights = Array.from({ length: PARTS }, (_, part) => Math.exp(lses[part * rows + row]));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    lse.push(Math.log(total));
    for (let d = 0; d < HEAD_SIZE; d++) {
      const terms = weights.map(
        (weight, part) => weight && weight * outputs[(part * rows + row) * HEAD_SIZE + d],
      );
      output.push(total && terms.reduce((sum, term) => sum + term, 0) / total);
    }
  }
  return { output, lse };
}

describeOnBackends('mergeAttentionStates', () => {
  test.each(ELEMENT_STORAGE_TYPES)('weighs parts by their log-sum-exp in %s', (storage) => {
    const random = new Random(1);
    const { tensor, values } = randomTensor(random, [PARTS, TOKENS, HEADS, HEAD_SIZE], storage);
    const lses = random.normal(PARTS * TOKENS * HEADS, 2);
    lses.fill(Number.NEGATIVE_INFINITY, 0, 7); // the first part has no keys for these rows
    values.fill(0, 0, 7 * HEAD_SIZE);
    for (let part = 0; part < PARTS; part++) lses[part * TOKENS * HEADS + 9] = Number.NEGATIVE_INFINITY; // nobody has
    const lseTensor = tf.tensor3d(lses, [PARTS, TOKENS, HEADS]);
    const merged = mergeAttentionStates(tensor, lseTensor);
    const expected = reference(values, lses);
    expectMatches(merged.output, expected.output, [TOKENS, HEADS, HEAD_SIZE], storage);
    expectMatches(merged.lse, expected.lse, [TOKENS, HEADS]);
  });

  test('large log-sum-exps do not overflow, and an empty part may hold NaN', () => {
    const outputs = tf.tensor4d([1, 3, Number.NaN], [3, 1, 1, 1]);
    const lses = tf.tensor3d([1000, 1000, Number.NEGATIVE_INFINITY], [3, 1, 1]);
    const { output, lse } = mergeAttentionStates(outputs, lses);
    expect(output.dataSync()[0]).toBe(2);
    expect(lse.dataSync()[0]).toBeCloseTo(1000 + Math.log(2), 4);
  });

  test('a NaN among the log-sum-exps makes its row NaN, and no other', () => {
    for (const [value, part, others] of [
      [NaN, 0, 1],
      [NaN, 1, 1],
      [NaN, 2, 1],
      [NaN, 1, -Infinity],
      [NaN, 2, -Infinity],
      [Infinity, 1, 1],
    ]) {
      const lses = new Float32Array(3 * 4).fill(1);
      for (let i = 0; i < 3; i++) lses[i * 4 + 2] = i === part ? value : others;
      lses[3] = Number.NEGATIVE_INFINITY;
      const { output, lse } = mergeAttentionStates(tf.ones([3, 4, 1, 8]), tf.tensor3d(lses, [3, 4, 1]));
      expect(Array.from(lse.dataSync(), Number.isNaN)).toEqual([false, false, true, false]);
      const rows = Array.from({ length: 4 }, (_, row) => [
        ...output.dataSync().subarray(row * 8, row * 8 + 8),
      ]);
      expect(rows[2]).toEqual(Array.from({ length: 8 }, () => NaN));
      for (const row of [0, 1, 3]) rows[row].forEach((element) => expect(element).toBeCloseTo(1, 6));
    }
  });

  test('a NaN in an output reaches its own element', () => {
    const outputs = new Float32Array(3 * 2 * 8).fill(1);
    outputs[1 * 2 * 8 + 8 + 5] = NaN; // part 1, row 1, element 5
    const { output, lse } = mergeAttentionStates(tf.tensor4d(outputs, [3, 2, 1, 8]), tf.zeros([3, 2, 1]));
    expect([...output.dataSync()].flatMap((element, i) => (Number.isNaN(element) ? [i] : []))).toEqual([13]);
    expect(lse.dataSync().every(Number.isFinite)).toBe(true);
  });

  test('a shared prefix attended to once agrees with whole contexts', () => {
    const [prefix, length] = [48, 90];
    const paged = makePagedCase(new Random(2), {
      sequences: [{ queryLength: 20, contextLength: length }],
      heads: 4,
      kvHeads: 2,
      headSize: 32,
      blockSize: 16,
    });
    const { query, keyCache, valueCache, metadata } = paged;
    const { blockTables } = metadata;
    const part = (first: number, blocks: number, contextLength: number, causal: boolean) =>
      pagedAttentionWithLse(
        query,
        keyCache,
        valueCache,
        {
          ...metadata,
          blockTables: tf.slice(blockTables, [0, first], [1, blocks]),
          contextLens: tf.tensor1d([contextLength], 'int32'),
        },
        { causal },
      );
    const shared = part(0, 3, prefix, false);
    const own = part(3, 3, length - prefix, true);
    const merged = mergeAttentionStates(
      tf.stack([shared.output, own.output]),
      tf.stack([shared.lse, own.lse]),
    );
    const expected = oracleOf(paged);
    expectMatches(merged.output, expected.output, query.shape);
    expect(relativeError(merged.lse.dataSync(), expected.lse)).toBeLessThanOrEqual(TOLERANCE.float32);
  });

  test('no tokens', () => {
    const { output, lse } = mergeAttentionStates(tf.zeros([2, 0, 4, 8]), tf.zeros([2, 0, 4]));
    expect([output.shape, lse.shape]).toEqual([
      [0, 4, 8],
      [0, 4],
    ]);
  });

  test('leaks nothing', () => {
    const [outputs, lses] = [tf.ones<tf.Rank.R4>([2, 3, 4, 8]), tf.zeros<tf.Rank.R3>([2, 3, 4])];
    expectNoLeak(() => Object.values(mergeAttentionStates(outputs, lses)));
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => mergeAttentionStates(tf.zeros([0, 3, 4, 8]), tf.zeros([0, 3, 4])),
      'ERR_SHAPE',
      '[mergeAttentionStates] outputs: expected at least one part, received [0, 3, 4, 8]',
    );
    expectAttentionError(
      () => mergeAttentionStates(tf.zeros([3, 4, 8]), tf.zeros([2, 3, 4])),
      'ERR_SHAPE',
      '[mergeAttentionStates] outputs: expected shape [parts, tokens, heads, headSize], received [3, 4, 8]',
    );
    expectAttentionError(
      () => mergeAttentionStates(tf.zeros([2, 3, 4, 8]), tf.zeros([2, 3, 5])),
      'ERR_SHAPE',
      '[mergeAttentionStates] lses: expected shape [2, 3, 4] to match the first three dimensions of outputs, received [2, 3, 5]',
    );
    expectAttentionError(
      () => mergeAttentionStates(tf.zeros([2, 3, 4, 8], 'int32'), tf.zeros([2, 3, 4])),
      'ERR_DTYPE',
      '[mergeAttentionStates] outputs: expected float32, received int32',
    );
    expectAttentionError(
      () => mergeAttentionStates(tf.zeros([2, 3, 4, 8]), zerosWithStorage([2, 3, 4], 'bfloat16')),
      'ERR_DTYPE',
      '[mergeAttentionStates] lses: expected storage float32, received bfloat16',
    );
  });
});
