import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { byteTokenizer } from '../testing/byte_tokenizer.ts';
import { HistoryModel } from '../testing/history_model.ts';
import { VOCAB_SIZE, expectNoLeaksInEachTest, testEngine, tokens } from '../testing/test_engine.ts';
import { Engine } from './engine.ts';
import type { EngineOptions } from './engine_options.ts';
import type { GenerateOptions } from './generate_options.ts';
import type { Prompt } from './prompt.ts';

/** An engine whose model writes letters, in a bytes' vocabulary. */
function letterEngine(options: Partial<EngineOptions> = {}): Engine {
  return testEngine({ model: new HistoryModel({ vocabSize: 123 }), tokenizer: byteTokenizer(), ...options });
}

async function collect(engine: Engine, prompt: Prompt, options?: GenerateOptions): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of engine.generate(prompt, options)) pieces.push(piece);
  return pieces;
}

expectNoLeaksInEachTest();

describe('streams', () => {
  test('give the text in pieces, and the result', async () => {
    using engine = letterEngine();
    const pieces = await collect(engine, 'Hello', { maxTokens: 20 });
    const { text, tokenIds, ...counts } = await engine.generate('Hello', { maxTokens: 20, seed: 5 }).result;
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('')).toBe(text);
    expect(text).toBe(byteTokenizer().decode(tokenIds));
    expect(tokenIds).toHaveLength(20);
    expect(counts).toEqual({
      finishReason: 'length',
      promptTokens: 5,
      cachedTokens: 0,
      preemptions: 0,
      seed: 5,
      timeToFirstTokenMs: expect.any(Number),
      totalMs: expect.any(Number),
    });
  });

  test('write out conversations with the chat template', async () => {
    const model = new HistoryModel({ vocabSize: 260 });
    using engine = letterEngine({ model });
    const messages = [{ role: 'user', content: 'Hi' }];
    const { tokenIds, promptTokens } = await engine.generate(messages, { maxTokens: 5 }).result;
    const ids = [256, 258, ...Buffer.from('Hi'), 257, 259];
    expect(promptTokens).toBe(ids.length);
    expect((await engine.generate(ids, { maxTokens: 5 }).result).tokenIds).toEqual(tokenIds);
    expect(
      (await engine.generate('<s><|user|>Hi</s><|assistant|>', { maxTokens: 5 }).result).tokenIds,
    ).toEqual(tokenIds);
  });

  test('come without a reader, too', async () => {
    using engine = letterEngine();
    const stream = engine.generate('Hello', { maxTokens: 3 });
    const { text } = await stream.result;
    const pieces = [];
    for await (const piece of stream) pieces.push(piece);
    expect(pieces.join('')).toBe(text);
  });

  test('have one reader, whom a second one does not disturb', async () => {
    using engine = letterEngine();
    const stream = engine.generate('Hello', { maxTokens: 10 });
    const read = drain(stream);
    expect(() => stream[Symbol.asyncIterator]()).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: '[GenerationStream] expected one reader, received a second; await result for the whole text',
      }),
    );
    await expect(drain(stream)).rejects.toThrow('expected one reader');
    await read;
    expect(await stream.result).toMatchObject({ finishReason: 'length' });
  });

  test('let others have their turn between steps', async () => {
    using engine = letterEngine();
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    await engine.generate('Hello', { maxTokens: 100 }).result;
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });
});

describe('stopping', () => {
  test('at each of the stop tokens of model, tokenizer, engine and request', async () => {
    const [first, second] = (await testEngineOnce(tokens(5), { maxTokens: 2 })).tokenIds;
    const stopped = { tokenIds: [first, second], finishReason: 'stop' };
    expect(await testEngineOnce(tokens(5), { stopTokens: [second] })).toMatchObject(stopped);
    expect(await testEngineOnce(tokens(5), {}, { stopTokens: [second] })).toMatchObject(stopped);
    const model = new HistoryModel({ vocabSize: VOCAB_SIZE, eosTokenIds: [second] });
    expect(await testEngineOnce(tokens(5), {}, { model })).toMatchObject(stopped);
    expect(await testEngineOnce(tokens(5), { ignoreEos: true, maxTokens: 9 }, { model })).toMatchObject({
      finishReason: 'length',
    });
  });

  test('at stop strings across tokens, which are not part of the text', async () => {
    using engine = letterEngine();
    const { text } = await engine.generate('Tell me', { maxTokens: 40 }).result;
    for (const [start, length] of [
      [10, 3],
      [15, 1],
      [0, 4],
    ]) {
      const stop = text.slice(start, start + length);
      const pieces = await collect(engine, 'Tell me', { maxTokens: 40, stop });
      expect(pieces.join('')).toBe(text.slice(0, text.indexOf(stop)));
      const result = await engine.generate('Tell me', { maxTokens: 40, stop: ['never', stop] }).result;
      expect(result).toMatchObject({ text: pieces.join(''), finishReason: 'stop' });
    }
  });

  test('at a stop string that is a special token, which gives no text', async () => {
    const model = new HistoryModel({ vocabSize: 260 });
    const alone = letterEngine({ model });
    const prompt = 'Tell us';
    const long = await alone.generate(prompt, { maxTokens: 200, ignoreEos: true }).result;
    alone.dispose();
    const special = long.tokenIds.findIndex((token) => token >= 256);
    expect(special).toBeGreaterThan(0);
    const name = ['<s>', '</s>', '<|user|>', '<|assistant|>'][long.tokenIds[special] - 256];
    using engine = letterEngine({ model });
    for (const stop of [name, ['never', name]]) {
      const { tokenIds, text, finishReason } = await engine.generate(prompt, { stop, ignoreEos: true })
        .result;
      expect({ tokenIds, finishReason }).toEqual({
        tokenIds: long.tokenIds.slice(0, special + 1),
        finishReason: 'stop',
      });
      expect(text).toBe(byteTokenizer().decode(tokenIds));
    }
  });

  test('at the most tokens, with the text that might have become a stop string', async () => {
    using engine = letterEngine();
    const { text } = await engine.generate('Tell me', { maxTokens: 40 }).result;
    const stop = `${text.slice(-3)}#`;
    expect((await collect(engine, 'Tell me', { maxTokens: 40, stop })).join('')).toBe(text);
  });

  test('where the context or the cache ends', async () => {
    const model = new HistoryModel({ vocabSize: VOCAB_SIZE, maxPositions: 30 });
    expect((await testEngineOnce(tokens(10), {}, { model })).tokenIds).toHaveLength(20);
    expect((await testEngineOnce(tokens(10), {}, { numBlocks: 3 })).tokenIds).toHaveLength(15);
  });
});

async function testEngineOnce(
  prompt: number[],
  options: GenerateOptions,
  engineOptions?: Partial<EngineOptions>,
) {
  using engine = testEngine(engineOptions);
  return await engine.generate(prompt, options).result; // before the engine is disposed
}

describe('aborting', () => {
  test('leaving the loop frees the blocks at once', async () => {
    using engine = letterEngine();
    for await (const piece of engine.generate('Hello')) {
      expect(piece).not.toBe('');
      expect(engine.stats().cache.usedBlocks).toBeGreaterThan(0);
      break;
    }
    expect(engine.stats()).toMatchObject({ requests: { running: 0, aborted: 1 }, cache: { usedBlocks: 0 } });
  });

  test.each([true, false])(
    'leaving ends a request whose next piece is awaited (tokenizer: %p)',
    async (hasTokenizer) => {
      using engine = hasTokenizer ? letterEngine() : testEngine();
      const stream = engine.generate(tokens(5), hasTokenizer ? { stop: 'never' } : {});
      const reader = stream[Symbol.asyncIterator]();
      const next = reader.next();
      await nextTurn();
      await nextTurn();
      expect(engine.stats().requests.running).toBe(1);
      const returned = reader.return?.();
      expect(engine.stats()).toMatchObject({
        requests: { running: 0, aborted: 1 },
        cache: { usedBlocks: 0 },
      });
      expect(await returned).toEqual({ done: true, value: undefined });
      expect((await next).done).toBe(!hasTokenizer);
      expect(await reader.next()).toEqual({ done: true, value: undefined });
      expect((await stream.result).finishReason).toBe('abort');
    },
  );

  test('pieces go to the calls that await them, in their order', async () => {
    using engine = letterEngine();
    const reader = engine.generate('Hello', { maxTokens: 6 })[Symbol.asyncIterator]();
    const ahead = Array.from({ length: 9 }, () => reader.next());
    const pieces = (await Promise.all(ahead)).map(({ value }) => value);
    const { text } = await engine.generate('Hello', { maxTokens: 6 }).result;
    expect(pieces.join('')).toBe(text);
    expect(pieces.slice(-3)).toEqual([undefined, undefined, undefined]);
  });

  test('a signal ends the stream; others go on undisturbed', async () => {
    using engine = letterEngine();
    const alone = await engine.generate('Hello', { maxTokens: 30 }).result;
    const controller = new AbortController();
    const other = engine.generate('Hello', { maxTokens: 30 });
    const pieces: string[] = [];
    const stream = engine.generate('Good day', { signal: controller.signal });
    for await (const piece of stream) {
      pieces.push(piece);
      if (pieces.length === 5) controller.abort();
    }
    expect(await stream.result).toMatchObject({ finishReason: 'abort', text: pieces.join('') });
    expect(pieces).toHaveLength(5);
    expect((await other.result).tokenIds).toEqual(alone.tokenIds);
    expect(engine.stats().cache.usedBlocks).toBe(0);
  });

  test('one signal may end many requests, and is left alone once they have ended', async () => {
    using engine = letterEngine();
    const { signal, listeners } = countedSignal();
    const streams = Array.from({ length: 12 }, () => engine.generate('Hello', { signal }));
    expect(listeners()).toBe(1);
    const ended = engine.generate('Hello', { maxTokens: 1, signal });
    expect(await ended.result).toMatchObject({ finishReason: 'length' });
    expect(listeners()).toBe(1);
    streams.slice(1).forEach((stream) => stream.abort());
    await Promise.all(streams.slice(1).map(({ result }) => result));
    expect(listeners()).toBe(1);
    signal.dispatchEvent(new Event('abort'));
    expect(await streams[0].result).toMatchObject({ finishReason: 'abort' });
    await nextTurn();
    expect(listeners()).toBe(0);
  });

  test('before the first step, and before the call', async () => {
    using engine = letterEngine();
    const stream = engine.generate('Hello');
    stream.abort();
    const aborted = engine.generate('Hello', { signal: AbortSignal.abort() });
    for (const { result } of [stream, aborted]) {
      expect(await result).toMatchObject({ finishReason: 'abort', text: '', timeToFirstTokenMs: undefined });
    }
    expect(engine.stats()).toMatchObject({ steps: 0, requests: { waiting: 0, aborted: 2 } });
  });

  test('while a step runs, without harm to others in it', async () => {
    const model = new HistoryModel({ vocabSize: 123 });
    using engine = letterEngine({ model });
    const alone = await engine.generate('Hello', { maxTokens: 4 }).result;
    const stream = engine.generate('Good day');
    const other = engine.generate('Hello', { maxTokens: 4 });
    model.beforeStep = () => stream.abort();
    expect(await stream.result).toMatchObject({ finishReason: 'abort', tokenIds: [] });
    expect((await other.result).tokenIds).toEqual(alone.tokenIds);
  });

  test('after the end does nothing', async () => {
    using engine = letterEngine();
    const stream = engine.generate('Hello', { maxTokens: 2 });
    await stream.result;
    stream.abort();
    expect(engine.stats().requests).toMatchObject({ finished: 1, aborted: 0 });
  });
});

function longModel(): HistoryModel {
  return new HistoryModel({ vocabSize: 123, maxPositions: 40_000 });
}

describe('long texts', () => {
  const text = 'long text, '.repeat(2000);

  test('are encoded beside the steps of others, and give what their token ids give', async () => {
    using engine = letterEngine({
      model: longModel(),
      numBlocks: 4000,
      maxTokensPerStep: 30_000,
      prefixCache: false,
    });
    const stream = engine.generate(text, { maxTokens: 4, seed: 1 });
    expect(engine.stats().requests.waiting).toBe(1);
    const other = await engine.generate('Hello', { maxTokens: 2 }).result;
    expect(other.finishReason).toBe('length');
    const { tokenIds, promptTokens } = await stream.result;
    expect(promptTokens).toBe(text.length);
    const ids = byteTokenizer().encode(text);
    expect((await engine.generate(ids, { maxTokens: 4, seed: 1 }).result).tokenIds).toEqual(tokenIds);
  });

  test('may be aborted, or lose their engine, while they are encoded', async () => {
    const engine = letterEngine({ model: longModel(), numBlocks: 4000 });
    const controller = new AbortController();
    const aborted = [
      engine.generate(text),
      engine.generate(text, { signal: controller.signal }),
      engine.generate(text, { signal: AbortSignal.abort() }),
    ];
    aborted[0].abort();
    controller.abort();
    for (const { result } of aborted)
      expect(await result).toMatchObject({ finishReason: 'abort', text: '', promptTokens: 0 });
    const stream = engine.generate(text);
    engine.dispose();
    await expect(stream.result).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
  });

  test('of too many tokens are rejected once that is known; of too many characters at once', async () => {
    const merges: [string, string][] = [['l', 'o']];
    using engine = letterEngine({
      model: new HistoryModel({ vocabSize: 260, maxPositions: 20_000 }),
      tokenizer: byteTokenizer(merges), // its longest token is "<|assistant|>", of 13 characters
      numBlocks: 4000,
    });
    const message =
      "[generate] prompt: expected at most 19999 tokens, for the model's context has 20000, received 20000 tokens";
    await expect(engine.generate(text).result).rejects.toMatchObject({ code: 'ERR_RANGE', message });
    const characters = 13 * 19_999;
    expect(() => engine.generate('x'.repeat(characters + 1))).toThrow(
      expect.objectContaining({
        code: 'ERR_RANGE',
        message:
          `[generate] prompt: expected at most ${characters} characters, for the model's context has 20000, ` +
          `received ${characters + 1} characters`,
      }),
    );
    const messages = [{ role: 'user', content: 'x'.repeat(characters + 1) }];
    expect(() => engine.generate(messages)).toThrow(`at most ${characters} characters`);
    expect(engine.stats().requests).toMatchObject({ waiting: 0, failed: 1 });
  });
});

describe('errors', () => {
  test('a failing step rejects its requests and leaves the engine usable', async () => {
    const model = new HistoryModel({ vocabSize: 123 });
    using engine = letterEngine({ model, maxSequences: 2 });
    const expected = await engine.generate('Hello', { maxTokens: 8 }).result;
    let steps = 0;
    model.beforeStep = () => {
      if (++steps === 3) throw new Error('no power');
    };
    const failing = [engine.generate('One'), engine.generate('Two')];
    const waiting = engine.generate('Hello', { maxTokens: 8 });
    await expect(failing[0].result).rejects.toThrow('no power');
    await expect(drain(failing[1])).rejects.toThrow('no power');
    expect((await waiting.result).tokenIds).toEqual(expected.tokenIds);
    expect(engine.stats()).toMatchObject({
      requests: { waiting: 0, running: 0, finished: 2, failed: 2 },
      cache: { usedBlocks: 0 },
    });
  });

  test("disposal fails what has not ended, and frees the cache but not the caller's model", async () => {
    const model = new HistoryModel({ vocabSize: 123 });
    const engine = letterEngine({ model });
    const streams = [engine.generate('One'), engine.generate('Two')];
    await nextPiece(streams[0]);
    engine.dispose();
    engine.dispose();
    for (const { result } of streams) await expect(result).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(model.disposed).toBe(false);
    expect(() => engine.generate('Three')).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }));
  });

  const rejected: [string, Prompt, GenerateOptions, string, string][] = [
    ['an empty text', '', {}, 'ERR_RANGE', '[generate] prompt: expected at least one token, received none'],
    ['no token ids', [], {}, 'ERR_RANGE', '[generate] prompt: expected at least one token, received none'],
    [
      'an unknown token',
      [1, 123],
      {},
      'ERR_RANGE',
      '[generate] prompt[1]: expected an integer >= 0 and <= 122, received 123',
    ],
    [
      "a prompt beyond the model's context",
      tokens(40),
      {},
      'ERR_RANGE',
      "[generate] prompt: expected at most 39 tokens, for the model's context has 40, received 40 tokens",
    ],
    [
      "more tokens than the model's context",
      tokens(30),
      { maxTokens: 11 },
      'ERR_RANGE',
      "[generate] maxTokens: expected at most 10 after a prompt of 30 tokens, for the model's context has 40, received 11",
    ],
    [
      'a prompt beyond the cache',
      tokens(33),
      {},
      'ERR_OUT_OF_BLOCKS',
      '[generate] prompt: expected at most 32 tokens, for the cache holds 32 (a larger numBlocks holds more), ' +
        'received 33 tokens',
    ],
    [
      'more tokens than the cache',
      tokens(32),
      { maxTokens: 2 },
      'ERR_OUT_OF_BLOCKS',
      '[generate] maxTokens: expected at most 1 after a prompt of 32 tokens, for the cache holds 32 ' +
        '(a larger numBlocks holds more), received 2',
    ],
    [
      'maxTokens 0',
      'a',
      { maxTokens: 0 },
      'ERR_RANGE',
      '[generate] maxTokens: expected an integer >= 1, received 0',
    ],
    [
      'a negative temperature',
      'a',
      { temperature: -1 },
      'ERR_RANGE',
      '[generate] temperature: expected a float32 >= 0, received -1',
    ],
    ['topP 0', 'a', { topP: 0 }, 'ERR_RANGE', '[generate] topP: expected a float32 in (0, 1], received 0'],
    [
      'minP above 1',
      'a',
      { minP: 2 },
      'ERR_RANGE',
      '[generate] minP: expected a float32 in [0, 1], received 2',
    ],
    ['half a topK', 'a', { topK: 0.5 }, 'ERR_RANGE', '[generate] topK: expected an integer'],
    ['a seed that is no int32', 'a', { seed: 2 ** 31 }, 'ERR_RANGE', '[generate] seed: expected an integer'],
    [
      'repetitionPenalty 0',
      'a',
      { repetitionPenalty: 0 },
      'ERR_RANGE',
      '[generate] repetitionPenalty: expected a float32 > 0, received 0',
    ],
    [
      'an empty stop string',
      'a',
      { stop: ['x', ''] },
      'ERR_RANGE',
      '[generate] stop: expected texts that are not empty, received ["x", ""]',
    ],
  ];

  const ill: [string, unknown, unknown, string, string][] = [
    [
      'a message alone',
      { role: 'user', content: 'Hi' },
      {},
      'ERR_DTYPE',
      'prompt: expected a text, an array of messages, or token ids, received an object',
    ],
    [
      'a number',
      5,
      {},
      'ERR_DTYPE',
      'prompt: expected a text, an array of messages, or token ids, received 5',
    ],
    ['no prompt', undefined, undefined, 'ERR_DTYPE', 'prompt: expected a text, an array of messages'],
    [
      'a message without content',
      [{ role: 'user' }],
      {},
      'ERR_DTYPE',
      'prompt[0].content: expected a text, received undefined',
    ],
    [
      'a message among token ids',
      [1, { role: 'user', content: 'Hi' }],
      {},
      'ERR_RANGE',
      'prompt[1]: expected an integer',
    ],
    [
      'no message among messages',
      [{ role: 'user', content: 'Hi' }, null],
      {},
      'ERR_DTYPE',
      'prompt[1].role: expected a text, received undefined',
    ],
    ['null for options', 'a', null, 'ERR_DTYPE', 'options: expected an object, received null'],
    [
      'null for maxTokens',
      'a',
      { maxTokens: null },
      'ERR_RANGE',
      'maxTokens: expected an integer >= 1, received null',
    ],
    [
      'null for temperature',
      'a',
      { temperature: null },
      'ERR_RANGE',
      'temperature: expected a float32 >= 0, received null',
    ],
    [
      'null for stop',
      'a',
      { stop: null },
      'ERR_RANGE',
      'stop: expected texts that are not empty, received [null]',
    ],
    [
      'null for stopTokens',
      'a',
      { stopTokens: null },
      'ERR_DTYPE',
      'stopTokens: expected a list of token ids, received null',
    ],
    ['null for signal', 'a', { signal: null }, 'ERR_DTYPE', 'signal: expected an AbortSignal, received null'],
    ['null for salt', 'a', { salt: null }, 'ERR_DTYPE', 'salt: expected a string, received null'],
    [
      'a bigint for topK',
      'a',
      { topK: 3n },
      'ERR_RANGE',
      'topK: expected an integer >= 0 and <= 2147483647, received 3',
    ],
    [
      'token ids of bigint',
      [1n],
      {},
      'ERR_RANGE',
      'prompt[0]: expected an integer >= 0 and <= 122, received 1',
    ],
    [
      'a BigInt64Array',
      new BigInt64Array(2),
      {},
      'ERR_DTYPE',
      'prompt: expected a text, an array of messages, or token ids',
    ],
    [
      'an option that does not exist',
      'a',
      { max_tokens: 3 },
      'ERR_UNSUPPORTED',
      'options: expected only maxTokens, seed, stop, stopTokens, ignoreEos, templateVariables, salt, signal, temperature, topK, topP, minP, ' +
        'repetitionPenalty, presencePenalty, frequencyPenalty, received "max_tokens"',
    ],
    ['a salt that is no text', 'a', { salt: 5 }, 'ERR_DTYPE', 'salt: expected a string, received 5'],
    ['a salt of null', 'a', { salt: null }, 'ERR_DTYPE', 'salt: expected a string, received null'],
    [
      'one stop token',
      'a',
      { stopTokens: 5 },
      'ERR_DTYPE',
      'stopTokens: expected a list of token ids, received 5',
    ],
    [
      'a stop token that is none',
      'a',
      { stopTokens: [1, 'x'] },
      'ERR_RANGE',
      'stopTokens[1]: expected an integer >= 0, received "x"',
    ],
    ['ignoreEos 1', 'a', { ignoreEos: 1 }, 'ERR_DTYPE', 'ignoreEos: expected true or false, received 1'],
    [
      'a signal that is none',
      'a',
      { signal: {} },
      'ERR_DTYPE',
      'signal: expected an AbortSignal, received an object',
    ],
    [
      'a signal of null',
      'a',
      { signal: null },
      'ERR_DTYPE',
      'signal: expected an AbortSignal, received null',
    ],
  ];

  test.each(ill)('refuses %s while others run', async (_title, prompt, options, code, message) => {
    using engine = letterEngine();
    const neighbour = engine.generate('Hello', { maxTokens: 4 });
    expect(() => engine.generate(prompt as Prompt, options as GenerateOptions)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(`[generate] ${message}`) }),
    );
    expect(await neighbour.result).toMatchObject({ finishReason: 'length' });
  });

  test.each([
    ['a folder', 'folder', 'options: expected { model } (Engine.load(folder) loads one), received "folder"'],
    ['nothing', undefined, 'options: expected { model } (Engine.load(folder) loads one), received undefined'],
    ['null', null, 'options: expected { model }'],
    ['no model', {}, 'model: expected a CausalLM, received undefined'],
    ['another thing for a model', { model: 'folder' }, 'model: expected a CausalLM, received "folder"'],
  ])('an engine is not made of %s', (_title, options, message) => {
    expect(() => new Engine(options as unknown as EngineOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE', message: expect.stringContaining(`[Engine] ${message}`) }),
    );
  });

  test.each([
    [
      { max_num_seqs: 3 },
      'options: expected only model, tokenizer, stopTokens, sampling, blockSize, numBlocks',
    ],
    [{ sampling: { top_k: 3 } }, 'sampling: expected only temperature, topK'],
    [
      { memory_fraction: 0.5 },
      'options: expected only model, tokenizer, stopTokens, sampling, blockSize, numBlocks',
    ],
  ])('an engine refuses the unknown option in %j', (options, message) => {
    expect(() => testEngine(options as object)).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(message) }),
    );
  });

  test.each(rejected)('refuses %s', (_title, prompt, options, code, message) => {
    using engine = letterEngine({
      model: new HistoryModel({ vocabSize: 123, maxPositions: 40 }),
      numBlocks: 4,
    });
    expect(() => engine.generate(prompt, options)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
    expect(engine.stats().requests.waiting).toBe(0);
  });

  test('refuses text, messages and stop strings without a tokenizer', () => {
    using engine = testEngine();
    const unsupported = expect.objectContaining({ code: 'ERR_UNSUPPORTED' });
    expect(() => engine.generate('Hello')).toThrow(unsupported);
    expect(() => engine.generate([{ role: 'user', content: 'Hi' }])).toThrow(unsupported);
    expect(() => engine.generate([1], { stop: 'x' })).toThrow(unsupported);
  });

  test.each(['blockSize', 'numBlocks', 'maxTokensPerStep', 'maxSequences'])('refuses %s 0', (limit) => {
    expect(() => testEngine({ [limit]: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringMatching(limit) }),
    );
  });
});

/** A signal, and how many listeners it has. */
function countedSignal(): { signal: AbortSignal; listeners: () => number } {
  const { signal } = new AbortController();
  let count = 0;
  const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
  signal.addEventListener = (...args: Parameters<typeof add>) => (count++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (count--, remove(...args));
  return { signal, listeners: () => count };
}

async function drain(stream: AsyncIterable<string>): Promise<void> {
  for await (const piece of stream) void piece;
}

async function nextPiece(stream: AsyncIterable<string>): Promise<void> {
  await stream[Symbol.asyncIterator]().next();
}

describe('limits and statistics', () => {
  test('steps never exceed the budget and mix prefill with decodes', async () => {
    const model = new HistoryModel({ vocabSize: VOCAB_SIZE });
    using engine = testEngine({ model, maxTokensPerStep: 10, prefixCache: false });
    const streams = [
      engine.generate(tokens(25), { maxTokens: 4 }),
      engine.generate(tokens(12), { maxTokens: 3 }),
    ];
    await Promise.all(streams.map(({ result }) => result));
    // Prefill 10 and 10; 5 of the first with 5 of the second; a decode with the other 7; then decodes.
    expect(model.stepSizes).toEqual([10, 10, 10, 8, 2, 2]);
  });

  test('no more than maxSequences run at the same time', async () => {
    const model = new HistoryModel({ vocabSize: VOCAB_SIZE });
    using engine = testEngine({ model, maxSequences: 2 });
    let most = 0;
    model.beforeStep = () => (most = Math.max(most, engine.stats().requests.running));
    await Promise.all(
      [1, 2, 3, 4, 5].map((from) => engine.generate(tokens(4, from), { maxTokens: 6 }).result),
    );
    expect(most).toBe(2);
  });

  test('a prompt that comes again, or goes on, is found in the prefix cache, within its salt', async () => {
    using engine = testEngine();
    const { tokenIds } = await engine.generate(tokens(20), { maxTokens: 10 }).result;
    const cached = async (prompt: number[], salt?: string) =>
      (await engine.generate(prompt, { maxTokens: 1, salt }).result).cachedTokens;
    expect(await cached(tokens(20))).toBe(16);
    expect(await cached([...tokens(20), ...tokenIds])).toBe(24);
    expect(await cached(tokens(20), 'another customer')).toBe(0);
    expect(await cached(tokens(20), 'another customer')).toBe(16);
  });

  test('count what happened', async () => {
    using engine = testEngine({ maxSequences: 3 });
    expect(engine.stats()).toMatchObject({ tokensPerSecond: 0, timeToFirstTokenMs: { mean: 0, max: 0 } });
    const streams = [20, 30, 20].map((length) => engine.generate(tokens(length), { maxTokens: 5 }));
    const results = await Promise.all(streams.map(({ result }) => result));
    const first = results.map(({ timeToFirstTokenMs }) => timeToFirstTokenMs as number);
    const stats = engine.stats();
    expect(stats).toEqual({
      requests: { waiting: 0, running: 0, finished: 3, aborted: 0, failed: 0 },
      steps: 6,
      promptTokens: 70,
      cachedPromptTokens: 32,
      generatedTokens: 15,
      tokensPerSecond: expect.any(Number),
      timeToFirstTokenMs: {
        mean: expect.closeTo((first[0] + first[1] + first[2]) / 3),
        max: Math.max(...first),
      },
      preemptions: 0,
      cache: {
        blockSize: 8,
        totalBlocks: 64,
        usedBlocks: 0,
        peakUsedBlocks: 7, // 2 shared; 1, 3 and 1 of their own
        cachedBlocks: expect.any(Number),
        blockBytes: 2 * 8 * 8 * 4,
        totalBytes: 64 * 2 * 8 * 8 * 4,
        chosenBy: 'numBlocks',
        availableBytes: undefined,
      },
    });
    expect(stats.tokensPerSecond).toBeGreaterThan(0);
    expect(stats.cache.cachedBlocks).toBeGreaterThan(2);
  });
});
