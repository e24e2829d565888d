import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadModel } from '../models/index.ts';
import type { CausalLM } from '../models/index.ts';
import { expectNoLeaksInEachTest, testEngine } from '../testing/test_engine.ts';
import type { EngineLimits } from './engine_options.ts';
import type { GenerateOptions } from './generate_options.ts';

const FAMILIES = ['mistral', 'gemma2', 'qwen3_moe'];

expectNoLeaksInEachTest();

describe.each(FAMILIES)('batched generation of %s', (family) => {
  let model: CausalLM;
  let prompts: number[][];
  const optionsOf: GenerateOptions[] = [
    {},
    { temperature: 0.9, seed: 3 },
    { repetitionPenalty: 1.3 },
    { temperature: 1.5, topP: 0.9, repetitionPenalty: 1.1, seed: 4 },
  ];

  beforeAll(async () => {
    model = await loadModel(fileURLToPath(new URL(`../../fixtures/${family}`, import.meta.url)));
    const { vocabSize } = model.config;
    const text = Array.from({ length: 60 }, (_, i) => (i * i * 31 + 7) % vocabSize);
    prompts = [text, text.slice(0, 41), text.slice(0, 60).concat(5, 6), [9]];
  });
  afterAll(() => model.dispose());

  async function generate(limits: EngineLimits, concurrently: boolean): Promise<number[][]> {
    using engine = testEngine({ model, ...limits });
    const generated: Promise<number[]>[] = [];
    for (const [i, prompt] of prompts.entries()) {
      const { result } = engine.generate(prompt, { maxTokens: 8, ignoreEos: true, ...optionsOf[i] });
      generated.push(result.then(({ tokenIds }) => tokenIds));
      if (!concurrently) await result;
    }
    return await Promise.all(generated); // before the engine is disposed
  }

  test('equals one-by-one generation token for token', async () => {
    const expected = await generate({ prefixCache: false, maxTokensPerStep: 200 }, false);
    expect(await generate({ maxTokensPerStep: 17 }, true)).toEqual(expected);
    expect(await generate({ maxTokensPerStep: 9, prefixCache: false, numBlocks: 12 }, true)).toEqual(
      expected,
    );
  });
});
