import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { storageOf } from '@attention-js/core';
import { describeOnBackends } from '../../../core/src/testing/backends.ts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FIXTURE_NAMES, expectedPrompts, fixtureFolder } from '../testing/fixtures.ts';
import type { ExpectedPrompt } from '../testing/fixtures.ts';
import { runPaged, runWithoutCache } from '../testing/run_prompts.ts';
import type { PagedRun } from '../testing/run_prompts.ts';
import type { CausalLM } from './causal_lm.ts';
import { loadModel } from './load_model.ts';

const TOLERANCE = 1e-4;

tf.env().set('IS_TEST', true); // keeps tfjs's advice to itself

/** Largest difference of two arrays; NaN where one has a NaN. */
function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual).toHaveLength(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i] - expected[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

function expectLogits(actual: readonly Float32Array[], expected: readonly ExpectedPrompt[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, { logits }] of expected.entries()) {
    expect(largestDifference(actual[i], logits)).toBeLessThanOrEqual(TOLERANCE);
  }
}

/** `[0, 1, .., count − 1]` as one sequence's step, without a cache. */
function oneSequence(count: number): { metadata: Parameters<CausalLM['forward']>[0]['metadata'] } {
  return { metadata: { isPrefill: true, positions: tf.range(0, count, 1, 'int32') } };
}

beforeAll(async () => {
  await tf.setBackend('cpu');
});

describeOnBackends('a decoder', () => {
  describe.each(FIXTURE_NAMES)('%s gives the logits of transformers', (name) => {
    let model: CausalLM;
    let expected: ExpectedPrompt[];
    let prompts: number[][];

    beforeAll(async () => {
      model = await loadModel(fixtureFolder(name), { storage: 'float32' });
      expected = await expectedPrompts(name);
      prompts = expected.map(({ tokenIds }) => tokenIds);
    });
    afterAll(() => model.dispose());

    test('without a cache', () => {
      expectLogits(runWithoutCache(model, prompts), expected);
    });

    const runs: PagedRun[] = [
      { blockSize: 8, chunkSizes: [1, 7, 13, 32, 3] },
      { blockSize: 16, chunkSizes: [32, 1, 1, 17] },
    ];
    test.each(runs)('from cache blocks of $blockSize, prefilled in chunks of $chunkSizes', (run) => {
      expectLogits(runPaged(model, prompts, run), expected);
    });
  });
});

describe('a model', () => {
  let model: CausalLM;
  let expected: ExpectedPrompt[];

  beforeAll(async () => {
    model = await loadModel(fixtureFolder('gemma2'));
    expected = await expectedPrompts('gemma2');
  });
  afterAll(() => model.dispose());

  test.each(['flash', 'vllm'] as const)('gives the same logits from cache layout %s', (layout) => {
    const shorter = expected.slice(1);
    const prompts = shorter.map(({ tokenIds }) => tokenIds);
    for (const chunkSizes of [[1], [128]]) {
      expectLogits(runPaged(model, prompts, { blockSize: 8, chunkSizes, layout }), shorter);
    }
  });

  test('gives the rows of the logits that are asked for', () => {
    const { tokenIds, logits } = expected[2];
    const { vocabSize } = model.config;
    const rows = [8, 0, 3];
    const actual = tf.tidy(() => {
      const input = { tokenIds: tf.tensor1d(tokenIds, 'int32'), ...oneSequence(tokenIds.length) };
      const output = model.forward({ ...input, logitRows: tf.tensor1d(rows, 'int32') });
      expect(output.shape).toEqual([3, vocabSize]);
      expect(model.forward({ ...input, logitRows: tf.tensor1d([], 'int32') }).shape).toEqual([0, vocabSize]);
      return output.arraySync();
    });
    actual.forEach((row, i) => {
      const wanted = logits.subarray(rows[i] * vocabSize, (rows[i] + 1) * vocabSize);
      expect(largestDifference(row, wanted)).toBeLessThanOrEqual(TOLERANCE);
    });
  });

  test('says what its cache has to hold', () => {
    expect(model.cacheShape).toEqual({ numLayers: 4, numKvHeads: 2, headSize: 32, storage: 'float32' });
  });

  test('names a faulty input', () => {
    tf.tidy(() => {
      const tokenIds = tf.tensor1d([1, 2], 'int32');
      expect(() => model.forward({ tokenIds, metadata: { isPrefill: true } })).toThrow(
        '[forward] metadata.positions: expected a Tensor, received undefined',
      );
      expect(() => model.forward({ tokenIds: tf.tensor1d([1]), ...oneSequence(1) })).toThrow(
        '[forward] tokenIds: expected int32, received float32',
      );
      const batch = tf.tensor2d([[1, 2]], [1, 2], 'int32') as unknown as tf.Tensor1D;
      expect(() => model.forward({ tokenIds: batch, ...oneSequence(2) })).toThrow(
        '[forward] tokenIds: expected shape [tokens], received [1, 2]',
      );
    });
  });
});

/** Rounding to half precision moves most logits by less than this. */
const HALF_TOLERANCE = 0.25;

/** Index and lead of the largest logit of a row. */
function winner(logits: Float32Array): { token: number; margin: number } {
  const token = logits.indexOf(Math.max(...logits));
  const others = logits.filter((_, i) => i !== token);
  return { token, margin: logits[token] - Math.max(...others) };
}

describeOnBackends('a decoder in half precision', () => {
  const cases = FIXTURE_NAMES.flatMap((name) =>
    (['bfloat16', 'float16'] as const).map((storage) => ({ name, storage })),
  );
  test.each(cases)('$name in $storage', async ({ name, storage }) => {
    const model = await loadModel(fixtureFolder(name), { storage });
    expect(model.cacheShape.storage).toBe(storage);
    const { vocabSize, moe } = model.config;
    const [, { tokenIds, logits }] = await expectedPrompts(name);
    for (const [actual] of [
      runWithoutCache(model, [tokenIds]),
      runPaged(model, [tokenIds], { blockSize: 8, chunkSizes: [40] }),
    ]) {
      // Rounding may send a token to other experts, so not all of the logits can be near.
      const near = actual.filter((value, i) => Math.abs(value - logits[i]) < HALF_TOLERANCE);
      expect(near.length / actual.length).toBeGreaterThan(0.9);
      expect(largestDifference(actual, logits)).toBeGreaterThan(1e-4);

      const rows = tokenIds.map((_, i) =>
        [logits, actual].map((all) => winner(all.subarray(i * vocabSize, (i + 1) * vocabSize))),
      );
      const clear = rows.filter(([{ margin }]) => margin > 2 * HALF_TOLERANCE);
      const same = clear.filter(([wanted, { token }]) => token === wanted.token);
      expect(clear.length).toBeGreaterThan(0);
      expect(same.length / clear.length).toBeGreaterThanOrEqual(moe ? 0.9 : 1);
    }
    const last = model.forward({ tokenIds: tf.tensor1d([5, 6], 'int32'), ...oneSequence(2) });
    expect(storageOf(last)).toBe('float32');
    model.dispose();
  });
});

test.each(FIXTURE_NAMES)('%s leaves no tensor behind', async (name) => {
  const before = { ...tf.memory() };
  const dataIds = tf.engine().backend.numDataIds();
  const model = await loadModel(fixtureFolder(name));
  const loaded = tf.memory().numTensors;
  runWithoutCache(model, [[5, 6, 7]]);
  runPaged(model, [[5, 6, 7], [8]], { blockSize: 8, chunkSizes: [2] });
  expect(tf.memory().numTensors).toBe(loaded);
  model.dispose();
  expect(tf.memory().numTensors).toBe(before.numTensors);
  expect(tf.engine().backend.numDataIds()).toBe(dataIds);
});

test('survives tf.tidy and engine scopes, and refuses to run once disposed', async () => {
  tf.engine().startScope();
  const model = await loadModel(fixtureFolder('llama'));
  tf.engine().endScope();
  runWithoutCache(model, [[5, 6]]);
  model.dispose();
  model.dispose();
  expect(() => runWithoutCache(model, [[5, 6]])).toThrow(
    expect.objectContaining({ code: 'ERR_DISPOSED', name: 'AttentionError' }),
  );
});
