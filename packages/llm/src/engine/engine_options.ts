import { BYTES_PER_ELEMENT, Checks } from '@attention-js/core';
import type { CacheShape, CausalLM } from '../models/index.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
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

const MAX_DEFAULT_CACHE_BYTES = 2 ** 30;

const checks = new Checks('Engine');

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
