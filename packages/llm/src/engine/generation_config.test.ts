import { describe, expect, test } from '@jest/globals';
import type { AttentionErrorCode } from '@attention-js/core';
import { expectRejection } from '../testing/expect_rejection.ts';
import { inTemporaryFolder } from '../testing/temporary_folder.ts';
import { generationConfig, loadGenerationConfig } from './generation_config.ts';

const sampled = {
  do_sample: true,
  temperature: 0.5,
  top_k: 3,
  top_p: 0.9,
  min_p: 0.1,
  repetition_penalty: 1.5,
};

describe('generation_config.json', () => {
  test('has the sampling options of a model that is sampled', () => {
    expect(generationConfig({ ...sampled, eos_token_id: [1, 2] })).toEqual({
      stopTokens: [1, 2],
      sampling: { temperature: 0.5, topK: 3, topP: 0.9, minP: 0.1, repetitionPenalty: 1.5 },
    });
  });

  test('leaves the choice greedy without do_sample', () => {
    const greedy = { stopTokens: [7], sampling: { repetitionPenalty: 1.5 } };
    for (const do_sample of [false, null, undefined]) {
      expect(generationConfig({ ...sampled, do_sample, eos_token_id: 7 })).toEqual(greedy);
    }
  });

  test.each([
    [null],
    [{}],
    [{ eos_token_id: null, do_sample: null, temperature: null, repetition_penalty: null }],
  ])('may say nothing: %j', (json) => {
    expect(generationConfig(json)).toEqual({ stopTokens: [], sampling: {} });
  });

  test('takes null for absent and top_k of 0 or below for off', () => {
    const nothing = { do_sample: true, temperature: null, top_k: null, top_p: null, min_p: null };
    expect(generationConfig(nothing).sampling).toEqual({ temperature: 1 });
    for (const top_k of [0, -1, -1e9])
      expect(generationConfig({ do_sample: true, top_k }).sampling.topK).toBe(0);
  });

  test.each<[string, unknown, AttentionErrorCode]>([
    ['temperature', 'hot', 'ERR_DTYPE'],
    ['temperature', -1, 'ERR_RANGE'],
    ['temperature', 1e39, 'ERR_RANGE'],
    ['top_k', 1.5, 'ERR_RANGE'],
    ['top_k', 2 ** 31, 'ERR_RANGE'],
    ['top_p', 0, 'ERR_RANGE'],
    ['top_p', 1.1, 'ERR_RANGE'],
    ['min_p', [1], 'ERR_DTYPE'],
    ['min_p', -0.1, 'ERR_RANGE'],
    ['repetition_penalty', 0, 'ERR_RANGE'],
    ['repetition_penalty', 1e-46, 'ERR_RANGE'],
    ['do_sample', 1, 'ERR_DTYPE'],
    ['eos_token_id', 'end', 'ERR_DTYPE'],
  ])('refuses %s of %j, naming file and key', async (key, value, code) => {
    const text = JSON.stringify({ do_sample: true, [key]: value });
    await inTemporaryFolder({ 'generation_config.json': text }, (directory) =>
      expectRejection(loadGenerationConfig(directory), code, `generation_config.json: ${key}`),
    );
  });

  test('refuses a list', async () => {
    await inTemporaryFolder({ 'generation_config.json': '[]' }, (directory) =>
      expectRejection(loadGenerationConfig(directory), 'ERR_DTYPE', 'generation_config.json'),
    );
  });
});
