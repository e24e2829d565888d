import { AttentionError, BYTES_PER_ELEMENT, Checks } from '@attention-js/core';
import { engine as tfjs } from '@tensorflow/tfjs-core';
import type { CacheShape, CausalLM } from '../models/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { summarize } from '../summarize.ts';
import { SAMPLING_OPTIONS } from './generate_options.ts';
import type { SamplingOptions } from './generate_options.ts';

/** Sizes of an {@link Engine}. */
export interface EngineLimits {
  /** Tokens per cache block, a power of two from 8 to 256. Default: 16. */
  blockSize?: number;
  /** Blocks of the cache. Default: enough for `maxSequences` full contexts, but at most 1 GiB. */
  numBlocks?: number;
  /** Most tokens in one step: longer prefills are cut into chunks. Default: 512. */
  maxTokensPerStep?: number;
  /** Most requests that run at the same time; more wait. Default: 32. */
  maxSequences?: number;
  /** Keep blocks of ended requests for prompts that begin alike. Default: true. */
  prefixCache?: boolean;
}

/** What an {@link Engine} is made of. */
export interface EngineOptions extends EngineLimits {
  /** The model; it stays the caller's. */
  model: CausalLM;
  /** Its tokenizer; without one, prompts and results are token ids. */
  tokenizer?: Tokenizer;
  /** Tokens that end a text, besides those of the model's configuration and the tokenizer. */
  stopTokens?: readonly number[];
  /** Sampling options for requests that do not set them. Default: greedy. */
  sampling?: SamplingOptions;
}

/** Every limit. */
export const ENGINE_LIMITS = Object.keys({
  blockSize: true,
  numBlocks: true,
  maxTokensPerStep: true,
  maxSequences: true,
  prefixCache: true,
} satisfies Record<keyof EngineLimits, true>);

const ENGINE_OPTIONS = [
  ...Object.keys({
    model: true,
    tokenizer: true,
    stopTokens: true,
    sampling: true,
  } satisfies Record<Exclude<keyof EngineOptions, keyof EngineLimits>, true>),
  ...ENGINE_LIMITS,
];

const MAX_DEFAULT_CACHE_BYTES = 2 ** 30;

const checks = new Checks('Engine');

/**
 * Checks what an engine is made of, except for the limits.
 *
 * @throws AttentionError `ERR_DTYPE` when the options are no object with a model, `ERR_UNSUPPORTED` for an option that
 * does not exist and where there is no tfjs backend.
 */
export function checkEngineOptions(options: EngineOptions): void {
  const isObject = typeof options === 'object' && options !== null;
  const expected = '{ model } (Engine.load(folder) loads one)';
  checks.expect(isObject, 'ERR_DTYPE', 'options', expected, summarize(options));
  checks.keys('options', options, ENGINE_OPTIONS);
  checks.expect(isModel(options.model), 'ERR_DTYPE', 'model', 'a CausalLM', summarize(options.model));
  checks.keys('sampling', options.sampling ?? {}, SAMPLING_OPTIONS);
  checkBackend(checks);
}

function isModel(model: Partial<CausalLM> | undefined): boolean {
  return typeof model?.forward === 'function' && Boolean(model.config && model.cacheShape);
}

/** Checks that some tfjs backend is there to work on. */
export function checkBackend(at: Checks): void {
  if (tfjs().backendNames().length > 0) return;
  const message =
    `[${at.op}] expected a tfjs backend, received none; ` +
    `import '@attention-js/core/tf' or '@tensorflow/tfjs-backend-cpu' first`;
  throw new AttentionError('ERR_UNSUPPORTED', message);
}

/**
 * Checks the limits and fills in what is left out.
 *
 * @throws AttentionError `ERR_RANGE` for a limit below 1.
 */
export function engineLimits(limits: EngineLimits, model: CausalLM): Required<EngineLimits> {
  const { blockSize = 16, maxTokensPerStep = 512, maxSequences = 32, prefixCache = true } = limits;
  checks.integer('blockSize', blockSize, 1);
  checks.integer('maxTokensPerStep', maxTokensPerStep, 1);
  checks.integer('maxSequences', maxSequences, 1);
  const blocksPerContext = Math.ceil(model.config.maxPositions / blockSize);
  const affordable = Math.floor(MAX_DEFAULT_CACHE_BYTES / blockBytes(model.cacheShape, blockSize));
  const { numBlocks = Math.max(1, Math.min(maxSequences * blocksPerContext, affordable)) } = limits;
  checks.integer('numBlocks', numBlocks, 1);
  return { blockSize, numBlocks, maxTokensPerStep, maxSequences, prefixCache };
}

function blockBytes({ numLayers, numKvHeads, headSize, storage }: CacheShape, blockSize: number): number {
  return 2 * numLayers * blockSize * numKvHeads * headSize * BYTES_PER_ELEMENT[storage];
}
