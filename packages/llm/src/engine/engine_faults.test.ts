import { setImmediate as nextTurn } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { AttentionError, BlockManager, PagedKVCache } from '@attention-js/core';
import { expect, jest, test } from '@jest/globals';
import { describeOnBackends } from '../../../core/src/testing/backends.ts';
import type { ModelInput } from '../models/index.ts';
import { Tokenizer } from '../tokenizer/index.ts';
import { expectRejection } from '../testing/expect_rejection.ts';
import { HistoryModel } from '../testing/history_model.ts';
import { POISON, PoisonedModel } from '../testing/poisoned_model.ts';
import { VOCAB_SIZE, testEngine, tokens } from '../testing/test_engine.ts';
import type { Engine } from './engine.ts';
import type { GenerateOptions, SamplingOptions } from './generate_options.ts';

const UNSAMPLEABLE =
  '[generate] logits: expected numbers that a token can be sampled from, received NaN, +Infinity or nothing but ' +
  '-Infinity, after ';

/** A text of tokens of which each decides the next; token 9 is the model's alone, which the tokenizer does not have. */
class ChainModel extends HistoryModel {
  readonly #next: Readonly<Record<number, number>>;

  constructor(next: Readonly<Record<number, number>>) {
    super({ vocabSize: 16 });
    this.#next = next;
  }

  override forward({ tokenIds, logitRows }: ModelInput): Tensor2D {
    const ids = tokenIds.dataSync();
    const rows = [...(logitRows?.dataSync() ?? ids.keys())];
    const next = rows.map((row) => this.#next[ids[row]]);
    return tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(next, 'int32'), 16), 'float32') as Tensor2D);
  }
}

function letterTokenizer(unknown: string | null): Tokenizer {
  const vocab = Object.fromEntries(
    ['<unk>', '<s>', '</s>', '\u2581', 'a', 'b', 'c'].map((token, id) => [token, id]),
  );
  const decoders = [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
  ];
  const model = { type: 'BPE', unk_token: unknown, fuse_unk: true, byte_fallback: true, vocab, merges: [] };
  return new Tokenizer({
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Sequence', decoders },
    model,
  });
}

async function idsOf(engine: Engine, prompt: number[], options?: GenerateOptions): Promise<number[]> {
  return (await engine.generate(prompt, options).result).tokenIds;
}

async function aloneIds(
  prompt: number[],
  options?: GenerateOptions,
  model = new HistoryModel({ vocabSize: VOCAB_SIZE }),
): Promise<number[]> {
  using engine = testEngine({ model });
  return await idsOf(engine, prompt, options);
}

const MANY = { maxTokens: 6 };

describeOnBackends("one request's fault stays its own", () => {
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'logits that are all %d end their request alone',
    async (value) => {
      using engine = testEngine({ model: new PoisonedModel(value), maxSequences: 3 });
      const healthy = [[5, 6, 7], [20], [30, 31], [40]];
      const poisoned = [...tokens(10), POISON];
      const [first, ...others] = healthy.map((prompt) => engine.generate(prompt, MANY));
      const failing = engine.generate(poisoned, MANY);
      await expectRejection(failing.result, 'ERR_RANGE', `${UNSAMPLEABLE}0 generated tokens`);
      for (const [i, { result }] of [first, ...others].entries()) {
        expect((await result).tokenIds).toEqual(await aloneIds(healthy[i], MANY, new PoisonedModel(value)));
      }
      await expectRejection(engine.generate([POISON], { maxTokens: 1 }).result, 'ERR_RANGE', UNSAMPLEABLE);
      expect(engine.stats()).toMatchObject({
        requests: { waiting: 0, running: 0, finished: 4, failed: 2 },
        cache: { usedBlocks: 0 },
      });
    },
  );

  test('a token that the tokenizer lacks gives no text', async () => {
    for (const unknown of [null, '<unk>']) {
      const model = new ChainModel({ 3: 9, 4: 5, 5: 6, 6: 4, 9: 4 });
      using engine = testEngine({ model, tokenizer: letterTokenizer(unknown) });
      const results = [[4], [3], [5]].map((prompt) => engine.generate(prompt, { maxTokens: 4 }).result);
      expect((await Promise.all(results)).map(({ text }) => text)).toEqual(['bcab', 'abc', 'cabc']);
    }
  });

  test('a step that fails rejects its requests with one error, and none of those that wait', async () => {
    const model = new HistoryModel({ vocabSize: VOCAB_SIZE });
    using engine = testEngine({ model, maxSequences: 2 });
    let steps = 0;
    model.beforeStep = () => {
      if (++steps === 2) throw new TypeError('no such layer');
    };
    const failing = [engine.generate([1]), engine.generate([2])];
    const waiting = engine.generate([3], MANY);
    const errors = await Promise.all(
      failing.map(({ result }) =>
        result.then(
          () => undefined,
          (error: unknown) => error,
        ),
      ),
    );
    expect(errors[0]).toBeInstanceOf(AttentionError);
    expect(errors[0]).toMatchObject({
      code: 'ERR_DEVICE',
      message: '[generate] step: expected the model to compute it, received "no such layer"',
      cause: expect.any(TypeError),
    });
    expect(errors[1]).toBe(errors[0]);
    expect((await waiting.result).tokenIds).toEqual(await aloneIds([3], MANY));
  });

  const finite: SamplingOptions[] = [
    { temperature: 1e39 },
    { temperature: 1e-46 },
    { repetitionPenalty: 1e39 },
    { repetitionPenalty: 1e-46 },
    { presencePenalty: 1e39 },
    { presencePenalty: -1e39 },
    { frequencyPenalty: 1e39 },
    { frequencyPenalty: -1e308 },
    { minP: 1e-50 },
    { topP: 1e-50 },
  ];

  test.each(finite)('refuses %j, which is no float32', (options) => {
    using engine = testEngine();
    const [name] = Object.keys(options);
    const error = {
      code: 'ERR_RANGE',
      message: expect.stringMatching(`^\\[generate\\] ${name}: expected a float32`),
    };
    expect(() => engine.generate([1], options)).toThrow(expect.objectContaining(error));
    const inEngine = {
      code: 'ERR_RANGE',
      message: expect.stringMatching(`^\\[Engine\\] sampling.${name}: `),
    };
    expect(() => testEngine({ sampling: options })).toThrow(expect.objectContaining(inEngine));
  });

  test('options at the ends of their ranges leave others as they are', async () => {
    const extreme: SamplingOptions[] = [
      { temperature: 3e38 },
      { temperature: 1.2e-38 },
      { temperature: 1e-40 },
      { repetitionPenalty: 3e38 },
      { repetitionPenalty: 1e-45 },
      { presencePenalty: -3e38, frequencyPenalty: -3e38 },
      { temperature: 1, topP: 1e-45 },
      { temperature: 1, topP: 1 - 1e-12, minP: 1 },
    ];
    using engine = testEngine();
    const greedy = engine.generate(tokens(9), MANY);
    const drawn = engine.generate(tokens(9), { ...MANY, temperature: 1, seed: 1 });
    await Promise.allSettled(
      extreme.map((options) => engine.generate(tokens(9), { ...MANY, ...options }).result),
    );
    expect((await greedy.result).tokenIds).toEqual(await aloneIds(tokens(9), MANY));
    expect((await drawn.result).tokenIds).toEqual(
      await aloneIds(tokens(9), { ...MANY, temperature: 1, seed: 1 }),
    );
  });
});

describeOnBackends('blocks that a fork shares', () => {
  test('are copied before the step writes to them', async () => {
    const manager = jest.spyOn(BlockManager.prototype, 'allocate');
    const apply = jest.spyOn(PagedKVCache.prototype, 'apply');
    using engine = testEngine();
    const stream = engine.generate(tokens(12), { maxTokens: 20 });
    while (engine.stats().requests.finished === 0) {
      await nextTurn();
      const [blocks] = manager.mock.contexts as BlockManager[];
      if (blocks?.has('fork')) blocks.free('fork');
      if (isBetweenSteps(blocks)) blocks.fork(1, 'fork');
    }
    expect(apply.mock.calls.length).toBeGreaterThan(5);
    expect((await stream.result).tokenIds).toEqual(await aloneIds(tokens(12), { maxTokens: 20 }));
    manager.mockRestore();
    apply.mockRestore();
  });
});

/** Whether the request of id 1 has begun and is not in a step. */
function isBetweenSteps(blocks: BlockManager | undefined): blocks is BlockManager {
  if (!blocks?.has(1)) return false;
  const { committed, length } = blocks.sequence(1);
  return committed > 0 && committed === length;
}
