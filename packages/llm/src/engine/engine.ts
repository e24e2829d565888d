import { setImmediate as nextTurn } from 'node:timers/promises';
import { AttentionError, BlockManager, Checks, PagedKVCache } from '@attention-js/core';
import { checkModelFolder } from '../check_model_folder.ts';
import { LOAD_MODEL_OPTIONS, loadModel } from '../models/load_model.ts';
import type { LoadModelOptions } from '../models/load_model.ts';
import type { CausalLM } from '../models/index.ts';
import { plural } from '../plural.ts';
import { Tokenizer } from '../tokenizer/index.ts';
import { ENGINE_LIMITS, checkBackend, checkEngineOptions, engineLimits } from './engine_options.ts';
import type { EngineLimits, EngineOptions } from './engine_options.ts';
import { EngineCounters } from './engine_stats.ts';
import type { EngineStats } from './engine_stats.ts';
import { cacheSize } from './cache_size.ts';
import type { CacheSize } from './cache_size.ts';
import { checkGenerateOptions, samplingParameters } from './generate_options.ts';
import type { GenerateOptions, SamplingOptions } from './generate_options.ts';
import type { FinishReason, GenerationStream } from './generation_stream.ts';
import { loadGenerationConfig } from './generation_config.ts';
import { checkTokens, promptTokens } from './prompt.ts';
import type { Prompt } from './prompt.ts';
import { Request } from './request.ts';
import { lengthLimits, specialStopTokens, stopStrings, tokensToGenerate } from './request_limits.ts';
import type { LengthLimit } from './request_limits.ts';
import { Scheduler } from './scheduler.ts';
import type { ScheduledChunk } from './step_plan.ts';
import { SignalListeners } from './signal_listeners.ts';
import { StepRunner } from './step_runner.ts';

/** Options of {@link Engine.load}. */
export type EngineLoadOptions = EngineLimits & LoadModelOptions;

const checks = new Checks('generate');
const loadChecks = new Checks('Engine.load');

/**
 * Generates text with one model for many requests at a time (continuous batching): requests join and leave between
 * steps, and each step computes prefill chunks and decodes of all of them together, over one paged KV cache. How they
 * are scheduled does not change what they generate.
 *
 * @example
 * ```ts
 * using engine = await Engine.load('path/to/model');
 * for await (const piece of engine.generate('Once upon a time', { maxTokens: 100 })) process.stdout.write(piece);
 * ```
 * @see Yu et al., "Orca: A Distributed Serving System for Transformer-Based Generative Models", 2022 (continuous
 * batching); Agrawal et al., "Sarathi-Serve", 2024 (chunked prefill); vLLM (prefix cache, preemption by recompute).
 */
export class Engine {
  /** The model's tokenizer, if the engine has one. */
  readonly tokenizer: Tokenizer | undefined;

  readonly #model: CausalLM;
  readonly #cacheSize: CacheSize;
  readonly #cache: PagedKVCache;
  readonly #blocks: BlockManager;
  readonly #scheduler: Scheduler<Request>;
  readonly #runner: StepRunner;
  readonly #modelStopTokens: readonly number[];
  readonly #sampling: SamplingOptions;
  readonly #counters = new EngineCounters();
  readonly #signals = new SignalListeners();
  readonly #limits: readonly LengthLimit[];
  /** Requests whose prompts are being encoded. */
  readonly #preparing = new Set<Request>();
  #ownsModel = false;
  #lastId = 0;
  #running = false;
  #disposed = false;

  /**
   * Makes an engine and its cache on the active tfjs backend.
   *
   * @throws AttentionError `ERR_DTYPE` without a model, `ERR_UNSUPPORTED` for an option that does not exist or if no
   * tfjs backend was imported, `ERR_RANGE` for a limit or a sampling option outside its range, `ERR_OUT_OF_MEMORY` if the
   * memory does not hold a cache for one full context, and what `PagedKVCache` throws.
   */
  constructor(options: EngineOptions) {
    checkEngineOptions(options);
    const { model, tokenizer, stopTokens = [], sampling = {}, ...givenLimits } = options;
    const limits = engineLimits(givenLimits);
    const eosTokenId = tokenizer?.eosTokenId ?? [];
    this.tokenizer = tokenizer;
    this.#model = model;
    this.#modelStopTokens = [...model.config.eosTokenIds, ...stopTokens, ...[eosTokenId].flat()];
    this.#sampling = sampling;
    this.#cacheSize = cacheSize(model, limits);
    const { numBlocks } = this.#cacheSize;
    const { blockSize, prefixCache } = limits;
    this.#limits = lengthLimits(model.config.maxPositions, numBlocks * blockSize);
    this.#cache = new PagedKVCache({ ...model.cacheShape, numBlocks, blockSize });
    this.#blocks = new BlockManager({ numBlocks, blockSize, prefixCache, watermark: 0.01 });
    this.#scheduler = new Scheduler<Request>(this.#blocks, limits, (request, error) =>
      this.#fail(request, error),
    );
    this.#runner = new StepRunner(model, this.#cache, this.#blocks);
  }

  /**
   * Makes an engine from a local Hugging Face model folder: weights, tokenizer, chat template, and the end tokens and
   * sampling options of generation_config.json. It disposes the model with itself.
   *
   * @throws AttentionError naming the argument that is wrong, or the file that is missing or cannot be used.
   */
  static async load(directory: string, options: EngineLoadOptions = {}): Promise<Engine> {
    await checkModelFolder(loadChecks, directory);
    loadChecks.keys('options', options, [...LOAD_MODEL_OPTIONS, ...ENGINE_LIMITS]);
    const { storage, onProgress, ...limits } = options;
    engineLimits(limits); // before the weights are read
    checkBackend(loadChecks);
    const [tokenizer, { stopTokens, sampling }] = await Promise.all([
      Tokenizer.load(directory),
      loadGenerationConfig(directory),
    ]);
    const model = await loadModel(directory, { storage, onProgress });
    try {
      const engine = new Engine({ ...limits, model, tokenizer, stopTokens, sampling });
      engine.#ownsModel = true;
      return engine;
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * Starts a generation; it shares its steps with all others that run. Read the text as it comes, or await
   * `stream.result`. Leaving the loop, `stream.abort()` and `options.signal` end it and free its blocks at once.
   *
   * @param prompt A text, a conversation, or token ids. A text of more than 16,384 characters is encoded in a thread of its
   * own: that it has too many tokens rejects the stream.
   * @throws AttentionError `ERR_DTYPE` for a prompt or an option of the wrong kind; `ERR_RANGE` for an option
   * outside its range, a prompt that is empty or longer than the model's context; `ERR_OUT_OF_BLOCKS` for a request that
   * the whole cache cannot hold; `ERR_UNSUPPORTED` for an option that does not exist, text without a tokenizer or messages
   * without a chat template; `ERR_DISPOSED`.
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): GenerationStream {
    checks.expect(!this.#disposed, 'ERR_DISPOSED', 'engine', 'a live engine', 'a disposed one');
    const request = this.#makeRequest(options);
    const tokens = promptTokens(prompt, this.tokenizer, this.#limits, options.templateVariables);
    const { signal, maxTokens } = options;
    if (tokens instanceof Promise) {
      void this.#startLater(request, tokens, maxTokens);
    } else {
      this.#setPrompt(request, tokens, maxTokens);
      this.#start(request);
    }
    if (signal) this.#abortWith(signal, request);
    return request.stream;
  }

  /** Counts and rates since the engine was made. */
  stats(): EngineStats {
    const counters = this.#counters;
    const scheduler = this.#scheduler;
    const { total, used, cached } = this.#blocks.stats();
    return {
      requests: {
        waiting: scheduler.waiting.length + this.#preparing.size,
        running: scheduler.running.length,
        finished: counters.finished,
        aborted: counters.aborted,
        failed: counters.failed,
      },
      steps: counters.steps,
      promptTokens: scheduler.promptTokens,
      cachedPromptTokens: scheduler.cachedPromptTokens,
      generatedTokens: counters.generatedTokens,
      tokensPerSecond: counters.tokensPerSecond,
      timeToFirstTokenMs: counters.timeToFirstTokenMs,
      preemptions: scheduler.preemptions,
      cache: {
        blockSize: this.#blocks.blockSize,
        totalBlocks: total,
        usedBlocks: used,
        peakUsedBlocks: counters.peakUsedBlocks,
        cachedBlocks: cached,
        blockBytes: this.#cache.byteLength / total,
        totalBytes: this.#cache.byteLength,
        chosenBy: this.#cacheSize.chosenBy,
        availableBytes: this.#cacheSize.availableBytes,
      },
    };
  }

  /** Frees the cache, and the model if the engine loaded it. Requests that have not ended fail. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const message =
      '[Engine] expected requests to end before the engine is disposed, received a disposal meanwhile';
    const error = new AttentionError('ERR_DISPOSED', message);
    const { running, waiting } = this.#scheduler;
    for (const request of [...running, ...waiting, ...this.#preparing]) this.#fail(request, error);
    this.#cache.dispose();
    if (this.#ownsModel) this.#model.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #makeRequest(options: GenerateOptions): Request {
    checkGenerateOptions(options);
    const { tokenizer } = this;
    const { stopTokens = [], ignoreEos = false, salt } = options;
    const stop = stopStrings(options.stop, tokenizer);
    const endTokens = ignoreEos ? [] : this.#modelStopTokens;
    return new Request({
      id: ++this.#lastId,
      salt,
      sampling: samplingParameters(options, this.#sampling),
      stopTokens: new Set([...endTokens, ...stopTokens, ...specialStopTokens(stop, tokenizer)]),
      stop,
      tokenizer,
      onAbort: (request) => this.#finish(request, 'abort'),
    });
  }

  #setPrompt(request: Request, tokens: ArrayLike<number>, maxTokens: number | undefined): void {
    const most = tokensToGenerate(tokens.length, maxTokens, this.#limits);
    checkTokens(tokens, this.#model.config.vocabSize);
    request.setPrompt(tokens, most);
  }

  #start(request: Request): void {
    this.#scheduler.add(request);
    if (!this.#running) void this.#run();
  }

  /** Starts a request once its prompt is encoded, unless it has ended by then. */
  async #startLater(
    request: Request,
    encoding: Promise<number[]>,
    maxTokens: number | undefined,
  ): Promise<void> {
    this.#preparing.add(request);
    try {
      const tokens = await encoding;
      if (request.ended) return;
      this.#setPrompt(request, tokens, maxTokens);
      this.#start(request);
    } catch (error) {
      this.#fail(request, error);
    } finally {
      this.#preparing.delete(request);
    }
  }

  #abortWith(signal: AbortSignal, request: Request): void {
    const abort = () => this.#finish(request, 'abort');
    if (signal.aborted) return abort();
    this.#signals.add(signal, abort);
    request.stream.result.catch(() => {}).finally(() => this.#signals.remove(signal, abort));
  }

  /** Runs steps until no request is left. Between them others have their turn. */
  async #run(): Promise<void> {
    this.#running = true;
    try {
      for (;;) {
        await nextTurn();
        const chunks = this.#scheduler.schedule();
        if (chunks.length === 0) return;
        await this.#step(chunks);
      }
    } finally {
      this.#running = false;
    }
  }

  /** Runs a step. What fails in it ends the requests of the step; what fails for one of them ends that one only. */
  async #step(chunks: ScheduledChunk<Request>[]): Promise<void> {
    const start = performance.now();
    this.#counters.peakUsedBlocks = Math.max(this.#counters.peakUsedBlocks, this.#blocks.stats().used);
    try {
      const tokens = await this.#runner.run(chunks);
      chunks.forEach((chunk, i) => this.#advance(chunk, tokens[i]));
    } catch (cause) {
      const error = stepError(cause);
      for (const { sequence } of chunks) this.#fail(sequence, error);
    }
    this.#counters.steps++;
    this.#counters.stepMs += performance.now() - start;
  }

  /** Takes a request's share of a step, unless it has ended while the step ran. */
  #advance(chunk: ScheduledChunk<Request>, token: number | undefined): void {
    const request = chunk.sequence;
    if (request.ended) return;
    try {
      if (token !== undefined) this.#checkSampled(request, token);
      this.#scheduler.complete(chunk);
      if (token === undefined) return;
      const isFirst = request.generatedTokens === 0;
      const finishReason = request.accept(token);
      this.#counters.generatedTokens++;
      if (isFirst) this.#counters.firstToken(request.timeToFirstTokenMs as number);
      if (finishReason) this.#finish(request, finishReason);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  #checkSampled({ generatedTokens }: Request, token: number): void {
    if (token >= 0 && token < this.#model.config.vocabSize) return;
    const after = plural(generatedTokens, 'generated token');
    checks.fail(
      'ERR_RANGE',
      'logits',
      'numbers that a token can be sampled from',
      `NaN, +Infinity or nothing but -Infinity, after ${after}`,
    );
  }

  #finish(request: Request, finishReason: FinishReason): void {
    if (request.ended) return;
    this.#scheduler.remove(request);
    this.#preparing.delete(request);
    this.#counters[finishReason === 'abort' ? 'aborted' : 'finished']++;
    request.finish(finishReason);
  }

  #fail(request: Request, error: unknown): void {
    if (request.ended) return;
    this.#scheduler.remove(request);
    this.#preparing.delete(request);
    this.#counters.failed++;
    request.fail(error);
  }
}

/** What the requests of a failed step are rejected with. */
function stepError(cause: unknown): AttentionError {
  if (cause instanceof AttentionError) return cause;
  const received = cause instanceof Error ? cause.message : String(cause);
  const message = `[generate] step: expected the model to compute it, received "${received}"`;
  return new AttentionError('ERR_DEVICE', message, { cause });
}
