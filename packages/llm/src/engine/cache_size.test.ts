import * as tf from '@tensorflow/tfjs-core';
import { BYTES_PER_ELEMENT } from '@attention-js/core';
import type { PagedKVCache } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import { describeOnBackends } from '../../../core/src/testing/backends.ts';
import type { CacheShape, ModelInput } from '../models/index.ts';
import { HistoryModel } from '../testing/history_model.ts';
import { testEngine } from '../testing/test_engine.ts';
import { cacheSize, hostMemory } from './cache_size.ts';
import { engineLimits } from './engine_options.ts';
import type { EngineLimits } from './engine_options.ts';

const [KIBIBYTE, MEBIBYTE, GIBIBYTE] = [2 ** 10, 2 ** 20, 2 ** 30];
const BLOCK_SIZE = 16;

/** A model with a cache of so many bytes per token, which notes the steps that it runs. */
class WideModel extends HistoryModel {
  readonly steps: object[] = [];
  override readonly cacheShape: CacheShape;

  constructor(maxPositions: number, bytesPerToken: number) {
    super({ vocabSize: 8, maxPositions });
    const numLayers = bytesPerToken / (2 * 8 * BYTES_PER_ELEMENT.float32);
    this.cacheShape = { numLayers, numKvHeads: 1, headSize: 8, storage: 'float32' };
  }

  override forward(input: ModelInput): tf.Tensor2D {
    const { tokenIds, metadata, cache, logitRows } = input;
    const { numBlocks } = cache as PagedKVCache;
    const [sequences, rows] = [metadata.contextLens?.size, logitRows?.size];
    this.steps.push({ tokens: tokenIds.size, sequences, rows, numBlocks });
    return super.forward(input);
  }
}

/** @param free What is free of a memory of 100 GiB before and after a step; without it the device has none of its own. */
function sizeOf(model: WideModel, limits: EngineLimits = {}, free?: [number, number]) {
  const answers = free?.map((bytes) => ({ free: bytes, total: 100 * GIBIBYTE })).values();
  return cacheSize(model, engineLimits({ blockSize: BLOCK_SIZE, ...limits }), () => answers?.next().value);
}

describe('memory of the host', () => {
  test.each([
    ['half of what is free', 100 * MEBIBYTE, 1500 * MEBIBYTE, 750 * MEBIBYTE],
    ['at most 1 GiB', 100 * MEBIBYTE, 40 * GIBIBYTE, GIBIBYTE],
    ['more for one context', 3 * GIBIBYTE, 40 * GIBIBYTE, 3 * GIBIBYTE],
    ['never more than half', 3 * GIBIBYTE, 5 * GIBIBYTE, 2.5 * GIBIBYTE],
  ])('is %s', (_title, contextBytes, free, expected) => {
    expect(hostMemory(contextBytes, free).availableBytes).toBe(expected);
  });
});

describeOnBackends('the size of a cache', () => {
  test('is that of maxSequences full contexts', () => {
    const model = new WideModel(100, KIBIBYTE);
    expect(sizeOf(model, { maxSequences: 5 })).toMatchObject({ numBlocks: 5 * 7, chosenBy: 'maxSequences' });
    expect(model.steps).toEqual([]); // the host has no workspace to measure
  });

  test('is what is asked for', () => {
    const model = new WideModel(2 ** 30, MEBIBYTE);
    const chosen = { numBlocks: 3, chosenBy: 'numBlocks', availableBytes: undefined };
    expect(sizeOf(model, { numBlocks: 3 })).toEqual(chosen);
  });

  test('is what RAM holds without a memory of the device', () => {
    const {
      numBlocks,
      chosenBy,
      availableBytes = 0,
    } = sizeOf(new WideModel(64, MEBIBYTE), { maxSequences: 9000 });
    expect(chosenBy).toBe('memory');
    expect(availableBytes).toBeLessThanOrEqual(GIBIBYTE);
    expect(numBlocks).toBe(Math.floor(availableBytes / (BLOCK_SIZE * MEBIBYTE)));
  });

  test('is an error if RAM does not hold one context', () => {
    const message =
      /^\[Engine\] cache: expected memory for one context of 1048576 tokens, 65536\.00 GiB, received [\d.]+ GiB \(0\.5 of the free RAM of [\d.]+ GiB\); set numBlocks for shorter contexts: \d+ blocks of 16 tokens fit$/;
    const error = { code: 'ERR_OUT_OF_MEMORY', message: expect.stringMatching(message) };
    const model = new WideModel(2 ** 20, 64 * MEBIBYTE);
    expect(() => sizeOf(model)).toThrow(expect.objectContaining(error));
  });

  test('is in the statistics', () => {
    using engine = testEngine({ numBlocks: undefined, maxSequences: 2 });
    const { chosenBy, availableBytes, totalBlocks } = engine.stats().cache;
    expect([chosenBy, totalBlocks]).toEqual(['maxSequences', 64]);
    expect(availableBytes).toBeGreaterThan(0);
  });

  test('is the share of memory that the largest step leaves', () => {
    const model = new WideModel(4096, 64);
    const limits = { maxTokensPerStep: 100, maxSequences: 2 ** 20 };
    const tensors = tf.memory().numTensors;
    const { numBlocks, chosenBy, availableBytes } = sizeOf(model, limits, [60 * GIBIBYTE, 50 * GIBIBYTE]);
    expect(model.steps).toEqual([{ tokens: 100, sequences: 100, rows: 100, numBlocks: 100 }]);
    expect(tf.memory().numTensors).toBe(tensors);
    const stepCacheBytes = 100 * BLOCK_SIZE * 64;
    expect(availableBytes).toBe(90 * GIBIBYTE - 50 * GIBIBYTE + stepCacheBytes);
    expect(chosenBy).toBe('memory');
    expect(numBlocks).toBe(Math.floor((40 * GIBIBYTE + stepCacheBytes) / (BLOCK_SIZE * 64)));
  });

  test('takes another share', () => {
    const model = new WideModel(64, 64);
    const limits = { memoryFraction: 0.5, maxTokensPerStep: 50, maxSequences: 4 };
    const { availableBytes } = sizeOf(model, limits, [60 * GIBIBYTE, 60 * GIBIBYTE]);
    expect(model.steps).toEqual([{ tokens: 52, sequences: 4, rows: 4, numBlocks: 4 }]);
    expect(availableBytes).toBe(10 * GIBIBYTE + 4 * BLOCK_SIZE * 64);
  });

  test('is an error if the device does not hold one context', () => {
    const model = new WideModel(2 ** 24, KIBIBYTE);
    const message =
      '[Engine] cache: expected memory for one context of 16777216 tokens, 16.00 GiB, received 1.00 GiB ' +
      "(memoryFraction 0.9 of the device's 100.00 GiB, less 89.00 GiB in use); set numBlocks for shorter contexts: " +
      '65568 blocks of 16 tokens fit';
    expect(() => sizeOf(model, {}, [12 * GIBIBYTE, 11 * GIBIBYTE])).toThrow(
      expect.objectContaining({ code: 'ERR_OUT_OF_MEMORY', message }),
    );
  });
});

describe('memoryFraction', () => {
  test.each([0, -1, 1.1, Number.NaN, '0.5', null])('refuses %p', (memoryFraction) => {
    const message = '[Engine] memoryFraction: expected a number in (0, 1], received';
    const error = { code: 'ERR_RANGE', message: expect.stringContaining(message) };
    const limits = { memoryFraction } as EngineLimits;
    expect(() => engineLimits(limits)).toThrow(expect.objectContaining(error));
  });
});
