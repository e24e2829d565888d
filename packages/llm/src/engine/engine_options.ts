import { AttentionError, Checks } from '@attention-js/core';
import { engine as tfjs } from '@tensorflow/tfjs-core';
import type { CausalLM } from '../models/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import { summarize } from '../summarize.ts';
import { checkSamplingOptions } from './generate_options.ts';
import type { SamplingOptions } from './generate_options.ts';

/** Sizes of an {@link Engine}. */
export interface EngineLimits {
  /** Tokens per cache block, a power of two from 8 to 256. Default: 16. */
  blockSize?: number;
  /** Blocks of the cache. Default: enough for `maxSequences` full contexts, or what the memory holds if that is less. */
  numBlocks?: number;
  /**
   * Share of the device's memory, above 0 and up to 1, that weights, workspace and the cache of default size take together.
   * On tfjs's `cpu` the cache takes at most half of the free RAM instead. Default: 0.9.
   */
  memoryFraction?: number;
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

/** Checked limits; without `numBlocks` the engine chooses it. */
export type CheckedLimits = Required<Omit<EngineLimits, 'numBlocks'>> & Pick<EngineLimits, 'numBlocks'>;

/** Every limit. */
export const ENGINE_LIMITS = Object.keys({
  blockSize: true,
  numBlocks: true,
  memoryFraction: true,
  maxTokensPerStep: true,
  maxSequences: true,
  prefixCache: true,
} satisfies Record<keyof EngineLimits, true>);

const MAX_INT32 = 2 ** 31 - 1;

const ENGINE_OPTIONS = [
  ...Object.keys({
    model: true,
    tokenizer: true,
    stopTokens: true,
    sampling: true,
  } satisfies Record<Exclude<keyof EngineOptions, keyof EngineLimits>, true>),
  ...ENGINE_LIMITS,
];

const checks = new Checks('Engine');

/**
 * Checks what an engine is made of, except for the limits.
 *
 * @throws AttentionError `ERR_DTYPE` if the options are not an object with a model, or a part of it is of the wrong kind;
 * `ERR_RANGE` for a default sampling option or a stop token outside its range; `ERR_UNSUPPORTED` for an option that does
 * not exist and if there is no tfjs backend.
 */
export function checkEngineOptions(options: EngineOptions): void {
  const isObject = typeof options === 'object' && options !== null;
  const expected = '{ model } (Engine.load(folder) loads one)';
  checks.expect(isObject, 'ERR_DTYPE', 'options', expected, summarize(options));
  checks.keys('options', options, ENGINE_OPTIONS);
  const { model, tokenizer, stopTokens = [], sampling = {} } = options;
  checks.expect(isModel(model), 'ERR_DTYPE', 'model', 'a CausalLM', summarize(model));
  const { maxPositions, vocabSize, eosTokenIds } = model.config;
  checks.integer('model.config.maxPositions', maxPositions, 1);
  checks.integer('model.config.vocabSize', vocabSize, 1);
  checkTokenList('model.config.eosTokenIds', eosTokenIds);
  const isTokenizer = tokenizer === undefined || typeof tokenizer?.encode === 'function';
  checks.expect(isTokenizer, 'ERR_DTYPE', 'tokenizer', 'a Tokenizer', summarize(tokenizer));
  checkTokenList('stopTokens', stopTokens);
  checkSamplingOptions(checks, 'sampling', sampling);
  checkBackend(checks);
}

function isModel(model: Partial<CausalLM> | undefined): boolean {
  return typeof model?.forward === 'function' && Boolean(model.config && model.cacheShape);
}

function checkTokenList(argument: string, tokens: readonly number[]): void {
  checks.expect(Array.isArray(tokens), 'ERR_DTYPE', argument, 'a list of token ids', summarize(tokens));
  tokens.forEach((token, i) => checks.integer(`${argument}[${i}]`, token, 0));
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
 * @throws AttentionError `ERR_RANGE` for a limit outside its range, `ERR_DTYPE` if `prefixCache` is not a boolean.
 */
export function engineLimits(limits: EngineLimits): CheckedLimits {
  const { blockSize = 16, maxTokensPerStep = 512, maxSequences = 32, prefixCache = true } = limits;
  const { numBlocks, memoryFraction = 0.9 } = limits;
  for (const [name, limit] of Object.entries({ blockSize, maxTokensPerStep, maxSequences })) {
    checks.integer(name, limit, 1, MAX_INT32);
  }
  if (numBlocks !== undefined) checks.integer('numBlocks', numBlocks, 1, MAX_INT32);
  const isShare = typeof memoryFraction === 'number' && memoryFraction > 0 && memoryFraction <= 1;
  checks.expect(isShare, 'ERR_RANGE', 'memoryFraction', 'a number in (0, 1]', summarize(memoryFraction));
  const isBoolean = typeof prefixCache === 'boolean';
  checks.expect(isBoolean, 'ERR_DTYPE', 'prefixCache', 'true or false', summarize(prefixCache));
  return { blockSize, numBlocks, memoryFraction, maxTokensPerStep, maxSequences, prefixCache };
}
