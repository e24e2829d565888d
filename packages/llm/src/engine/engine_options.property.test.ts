import { AttentionError } from '@attention-js/core';
import { expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { byteTokenizer } from '../testing/byte_tokenizer.ts';
import { HistoryModel } from '../testing/history_model.ts';
import { expectNoLeaksInEachTest, testEngine } from '../testing/test_engine.ts';
import { Engine } from './engine.ts';
import type { EngineOptions } from './engine_options.ts';
import type { GenerateOptions } from './generate_options.ts';
import type { Prompt } from './prompt.ts';

/** What a program without types may pass for anything. */
const values: unknown[] = [
  [undefined, null, true, Number.NaN, -0, 0, 1, -1, 0.5, 1e39, 1e-46, 1e-50, 2 ** 31, 2 ** 53, -Infinity],
  ['', '1', 'x', 'toString', Symbol('s'), 5n, () => 1, new Date(0), new Map([[1, 2]]), /x/],
  [[], [null], [undefined, 1], [1n], ['a'], [[1]], [Number.NaN], {}, { length: 2 }, { role: 'user' }],
  [new Int32Array(2), new Float32Array([0.5]), new BigInt64Array(1), new DataView(new ArrayBuffer(4))],
  [Object.create(null), new Proxy([], {}), Promise.resolve(1), new AbortController().signal, detached()],
].flat();
const anything = fc.oneof(
  fc.constantFrom(...values),
  fc.double(),
  fc.string(),
  fc.array(fc.oneof(fc.integer(), fc.string(), fc.constant(null)), { maxLength: 3 }),
);

function detached(): Int32Array {
  const array = new Int32Array(3);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

const GENERATE_OPTIONS =
  'maxTokens seed stop stopTokens ignoreEos salt signal temperature topK topP minP repetitionPenalty presencePenalty ' +
  'frequencyPenalty unknown __proto__ constructor';
const ENGINE_OPTIONS =
  'blockSize numBlocks memoryFraction maxTokensPerStep maxSequences prefixCache model tokenizer stopTokens sampling unknown';

/** Some of these options, with anything for values. */
function someOptions(names: string): fc.Arbitrary<Record<string, unknown>> {
  return fc.dictionary(fc.constantFrom(...names.split(' ')), anything, { maxKeys: 3, noNullPrototype: true });
}

/** What `call` returns, or `undefined` if it throws an AttentionError of a function of the user's. */
function outcome<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    const functions = /^\[(generate|Engine|PagedKVCache|zerosWithStorage|Tokenizer)\] \S/;
    if (error instanceof AttentionError && functions.test(error.message)) return undefined;
    throw error;
  }
}

expectNoLeaksInEachTest();

test('whatever generate is given, it answers with an AttentionError or a result, and others go on', async () => {
  const model = new HistoryModel({ vocabSize: 123, maxPositions: 16 });
  const healthy = { maxTokens: 3, seed: 1, temperature: 1 };
  using engine = testEngine({ model, tokenizer: byteTokenizer() });
  const { text } = await engine.generate('Hello', healthy).result;
  const prompt = fc.oneof(fc.constant('Hi'), fc.constant([1, 2]), anything);
  const options = fc.oneof(someOptions(GENERATE_OPTIONS), anything);
  await fc.assert(
    fc.asyncProperty(prompt, options, async (given, chosen) => {
      const stream = outcome(() => engine.generate(given as Prompt, chosen as GenerateOptions));
      const other = engine.generate('Hello', healthy);
      const result = await stream?.result.catch((error: unknown) =>
        outcome(() => {
          throw error;
        }),
      );
      expect(result === undefined || Array.isArray(result.tokenIds)).toBe(true);
      expect((await other.result).text).toBe(text);
    }),
    { numRuns: 700 },
  );
  expect(engine.stats()).toMatchObject({ requests: { waiting: 0, running: 0 }, cache: { usedBlocks: 0 } });
}, 120_000);

test('whatever an engine is made of, it is an AttentionError or an engine that works', async () => {
  const model = new HistoryModel({ vocabSize: 16 });
  await fc.assert(
    fc.asyncProperty(fc.oneof(someOptions(ENGINE_OPTIONS), anything), async (chosen) => {
      const isOptions = typeof chosen === 'object' && chosen !== null && !Array.isArray(chosen);
      const limits = { model, numBlocks: 8, blockSize: 8 };
      const options = isOptions ? { ...limits, ...chosen } : chosen;
      using engine = outcome(() => new Engine(options as EngineOptions));
      const made = await engine?.generate([1], { maxTokens: 2 }).result;
      expect(made?.tokenIds.length ?? 2).toBe(2);
    }),
    { numRuns: 300 },
  );
}, 120_000);
