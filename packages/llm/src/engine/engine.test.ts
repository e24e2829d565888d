import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { VOCAB_SIZE, expectNoLeaksInEachTest, testEngine, tokens } from '../testing/test_engine.ts';
import type { EngineLimits } from './engine_options.ts';
import type { GenerateOptions } from './generate_options.ts';

interface TestRequest {
  prompt: number[];
  options: GenerateOptions;
}

async function oneByOne(requests: TestRequest[]) {
  using engine = testEngine({ prefixCache: false, maxTokensPerStep: 1000 });
  const outcomes = [];
  for (const { prompt, options } of requests) {
    const { tokenIds, finishReason } = await engine.generate(prompt, options).result;
    outcomes.push({ tokenIds, finishReason });
  }
  return outcomes;
}

async function together(requests: TestRequest[], limits: EngineLimits = {}) {
  using engine = testEngine(limits);
  const streams = requests.map(({ prompt, options }) => engine.generate(prompt, options));
  const results = await Promise.all(streams.map(({ result }) => result));
  const stats = engine.stats();
  expect(stats.cache.usedBlocks).toBe(0);
  return {
    outcomes: results.map(({ tokenIds, finishReason }) => ({ tokenIds, finishReason })),
    stats,
    results,
  };
}

async function generateOne(prompt: number[], options: GenerateOptions) {
  return (await together([{ prompt, options }])).results[0];
}

expectNoLeaksInEachTest();

describe('scheduling does not change what is generated', () => {
  const requests: TestRequest[] = [
    { prompt: tokens(20), options: { maxTokens: 12 } },
    { prompt: tokens(37), options: { maxTokens: 5, temperature: 1, seed: 7 } },
    {
      prompt: tokens(3, 5),
      options: { maxTokens: 30, temperature: 0.7, topK: 5, seed: -3, repetitionPenalty: 1.5 },
    },
    { prompt: tokens(37), options: { maxTokens: 20, temperature: 1.5, topP: 0.8, minP: 0.01, seed: 8 } },
    {
      prompt: tokens(1, 9),
      options: { maxTokens: 25, repetitionPenalty: 1.8, presencePenalty: 1, frequencyPenalty: 0.5 },
    },
    { prompt: tokens(20), options: { maxTokens: 12, stopTokens: tokens(20) } },
  ];

  test.each([1, 2, 7, 8, 50, 500])('with %d tokens a step, with and without prefix cache', async (budget) => {
    const expected = await oneByOne(requests);
    const cached = await together(requests, { maxTokensPerStep: budget });
    const uncached = await together(requests, { maxTokensPerStep: budget, prefixCache: false });
    expect([cached.outcomes, uncached.outcomes]).toEqual([expected, expected]);
    // Two prompts of 37 tokens have 4 full blocks of 8 in common with each other, and 2 with those of 20.
    expect([cached.stats.cachedPromptTokens, uncached.stats.cachedPromptTokens]).toEqual([16 + 32 + 16, 0]);
  });

  test.each([5, 100])('with preemption, with %d tokens a step', async (budget) => {
    const expected = await oneByOne(requests);
    for (const prefixCache of [true, false]) {
      const { outcomes, stats } = await together(requests, {
        maxTokensPerStep: budget,
        prefixCache,
        numBlocks: 8,
      });
      expect(outcomes).toEqual(expected);
      expect(stats.preemptions).toBeGreaterThan(0);
    }
  });

  test('for any requests and limits', async () => {
    const request = fc
      .record({
        shared: fc.integer({ min: 0, max: 30 }),
        own: fc.array(fc.nat(VOCAB_SIZE - 1), { maxLength: 12 }),
        options: fc.record({
          maxTokens: fc.integer({ min: 1, max: 20 }),
          seed: fc.integer({ min: 0, max: 5 }),
          temperature: fc.constantFrom(0, 0.5, 1.2),
          topK: fc.constantFrom(0, 3),
          topP: fc.constantFrom(0.7, 1),
          repetitionPenalty: fc.constantFrom(1, 1.4),
        }),
      })
      .map(({ shared, own, options }): TestRequest => ({ prompt: [1, ...tokens(shared), ...own], options }));
    const limits = fc.record({
      maxTokensPerStep: fc.integer({ min: 1, max: 40 }),
      maxSequences: fc.integer({ min: 1, max: 6 }),
      numBlocks: fc.integer({ min: 8, max: 20 }),
      prefixCache: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 6 }), limits, async (some, chosen) => {
        expect((await together(some, chosen)).outcomes).toEqual(await oneByOne(some));
      }),
      { numRuns: 25 },
    );
  });

  test('seeds do', async () => {
    const prompt = tokens(9);
    const options = { maxTokens: 20, temperature: 1 };
    const random = await generateOne(prompt, options);
    const again = await generateOne(prompt, { ...options, seed: random.seed });
    const other = await generateOne(prompt, { ...options, seed: random.seed ^ 1 });
    expect(again.tokenIds).toEqual(random.tokenIds);
    expect(other.tokenIds).not.toEqual(random.tokenIds);
  });
});

describe('penalties', () => {
  test('a presence penalty beyond the logits lets no token come twice', async () => {
    const { tokenIds } = await generateOne(tokens(5), { maxTokens: VOCAB_SIZE, presencePenalty: 1000 });
    expect(new Set(tokenIds).size).toBe(VOCAB_SIZE);
  });

  test('a repetition penalty beyond the logits lets no token of the prompt come either', async () => {
    const { tokenIds } = await generateOne(tokens(20), { maxTokens: 20, repetitionPenalty: 1e6 });
    expect(new Set([...tokens(20), ...tokenIds]).size).toBe(40);
  });
});
