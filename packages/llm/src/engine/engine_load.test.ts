import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { expectRejection } from '../testing/expect_rejection.ts';
import { fixtureFolder } from '../testing/fixtures.ts';
import { HistoryModel } from '../testing/history_model.ts';
import { Engine } from './engine.ts';

const FOLDER = fixtureFolder('llama');

describe('Engine.load', () => {
  test.each([undefined, 5, { model: FOLDER }])('refuses %j for a folder', async (directory) => {
    await expectRejection(
      Engine.load(directory as unknown as string),
      'ERR_DTYPE',
      '[Engine.load] directory: expected a local Hugging Face folder, received',
    );
  });

  test('refuses the name of a model, for it downloads none', async () => {
    await expectRejection(
      Engine.load('meta-llama/Llama-3.2-1B'),
      'ERR_RANGE',
      '[Engine.load] directory: expected a local Hugging Face folder, received "meta-llama/Llama-3.2-1B", which does not ' +
        'exist (models are not downloaded)',
    );
  });

  test('refuses a file', async () => {
    const file = `${FOLDER}/config.json`;
    await expectRejection(Engine.load(file), 'ERR_RANGE', 'config.json", which is no folder');
  });

  test('refuses an option that does not exist', async () => {
    const options = { dtype: 'fp16' } as object;
    await expectRejection(
      Engine.load(FOLDER, options),
      'ERR_UNSUPPORTED',
      '[Engine.load] options: expected only storage, onProgress, blockSize, numBlocks, memoryFraction, maxTokensPerStep, ' +
        'maxSequences, prefixCache, received "dtype"',
    );
    await expectRejection(Engine.load(FOLDER, null as unknown as object), 'ERR_DTYPE', 'options');
  });

  test.each([{ maxSequences: 0 }, { memoryFraction: 2 }, { blockSize: '16' }])(
    'refuses %j before it reads weights',
    async (limits) => {
      const [name] = Object.keys(limits);
      let read = false;
      const options = { ...(limits as object), onProgress: () => (read = true) };
      await expectRejection(Engine.load(FOLDER, options), 'ERR_RANGE', `[Engine] ${name}: expected`);
      expect(read).toBe(false);
    },
  );

  test('and new Engine say what to import where there is no backend', async () => {
    const rest =
      `expected a tfjs backend, received none; ` +
      `import '@attention-js/core/tf' or '@tensorflow/tfjs-backend-cpu' first`;
    expect(tf.engine().backendNames()).toEqual([]);
    await expectRejection(Engine.load(FOLDER), 'ERR_UNSUPPORTED', `[Engine.load] ${rest}`);
    expect(() => new Engine({ model: new HistoryModel({ vocabSize: 8 }) })).toThrow(`[Engine] ${rest}`);
  });
});
