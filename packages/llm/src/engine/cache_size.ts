import { freemem } from 'node:os';
import { AttentionError, BYTES_PER_ELEMENT, memoryInfo } from '@attention-js/core';
import type { CausalLM } from '../models/index.ts';
import { plural } from '../plural.ts';
import type { CheckedLimits } from './engine_options.ts';
import { runLargestStep } from './largest_step.ts';

/** How many blocks a cache has, and why. */
export interface CacheSize {
  numBlocks: number;
  /** What set the number: the option `numBlocks`, `maxSequences` full contexts, or the memory that there is. */
  chosenBy: 'numBlocks' | 'maxSequences' | 'memory';
  /** Bytes that the cache could take; `undefined` if `numBlocks` was given. */
  availableBytes: number | undefined;
}

/** Without a device's memory: the share of free RAM that a cache may take, and the most that it takes for several contexts. */
const [RAM_SHARE, MAX_RAM_BYTES] = [0.5, 2 ** 30];
const MAX_SLOTS = 2 ** 31 - 1; // int32

/**
 * Chooses the size of the cache: `numBlocks` if given; else the lesser of `maxSequences` full contexts and what the
 * memory holds. On a device that is `memoryFraction` of its memory less what is in use, with the workspace of the largest
 * step, which runs once for it. Elsewhere it is a share of free RAM.
 *
 * @param askMemory Asks the active backend for its device's memory.
 * @throws AttentionError `ERR_OUT_OF_MEMORY` if the memory does not hold one full context.
 */
export function cacheSize(model: CausalLM, limits: CheckedLimits, askMemory = memoryInfo): CacheSize {
  const { blockSize, maxSequences, numBlocks } = limits;
  if (numBlocks !== undefined) return { numBlocks, chosenBy: 'numBlocks', availableBytes: undefined };
  const { maxPositions } = model.config;
  const blocksPerContext = Math.ceil(maxPositions / blockSize);
  const bytesPerBlock = blockBytes(model, blockSize);
  const contextBytes = blocksPerContext * bytesPerBlock;
  const { availableBytes, origin } = deviceMemory(model, limits, askMemory) ?? hostMemory(contextBytes);
  const affordable = Math.min(Math.floor(availableBytes / bytesPerBlock), Math.floor(MAX_SLOTS / blockSize));
  if (affordable < blocksPerContext) {
    throw new AttentionError(
      'ERR_OUT_OF_MEMORY',
      `[Engine] cache: expected memory for one context of ${plural(maxPositions, 'token')}, ${gibibytes(contextBytes)}, ` +
        `received ${gibibytes(availableBytes)} (${origin}); set numBlocks for shorter contexts: ` +
        `${plural(Math.max(0, affordable), 'block')} of ${plural(blockSize, 'token')} fit`,
    );
  }
  const wanted = maxSequences * blocksPerContext;
  return wanted <= affordable
    ? { numBlocks: wanted, chosenBy: 'maxSequences', availableBytes }
    : { numBlocks: affordable, chosenBy: 'memory', availableBytes };
}

/** Bytes of a block over all layers. */
function blockBytes({ cacheShape }: CausalLM, blockSize: number): number {
  const { numLayers, numKvHeads, headSize, storage } = cacheShape;
  return 2 * numLayers * blockSize * numKvHeads * headSize * BYTES_PER_ELEMENT[storage];
}

interface AvailableMemory {
  availableBytes: number;
  /** Where that comes from, for an error. */
  origin: string;
}

function deviceMemory(
  model: CausalLM,
  limits: CheckedLimits,
  askMemory: typeof memoryInfo,
): AvailableMemory | undefined {
  if (!askMemory()) return undefined; // from here on it notes the most that is in use
  const stepCacheBytes = runLargestStep(model, limits);
  const memory = askMemory();
  if (!memory) return undefined;
  const { memoryFraction } = limits;
  const inUse = memory.total - memory.free - stepCacheBytes;
  return {
    availableBytes: Math.max(0, Math.floor(memoryFraction * memory.total - inUse)),
    origin: `memoryFraction ${memoryFraction} of the device's ${gibibytes(memory.total)}, less ${gibibytes(inUse)} in use`,
  };
}

/** The share of free RAM that a cache may take: more than {@link MAX_RAM_BYTES} only for one context that needs it. */
export function hostMemory(contextBytes: number, free = freemem()): AvailableMemory {
  const share = Math.floor(RAM_SHARE * free);
  return {
    availableBytes: Math.min(share, Math.max(MAX_RAM_BYTES, contextBytes)),
    origin: `${RAM_SHARE} of the free RAM of ${gibibytes(free)}`,
  };
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
