import { reshapeAndCache } from '@attention-js/core';
import type { PagedKVCache, StepMetadata } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';
import type { CacheShape, CausalLM, ModelInput } from '../models/index.ts';

const HEAD_SIZE = 8;

/** Options of {@link HistoryModel}. */
export interface HistoryModelOptions {
  vocabSize: number;
  maxPositions?: number;
  eosTokenIds?: number[];
}

/**
 * A model without weights for tests of the engine. It stores token ids and positions as keys and values in the paged
 * cache; its logits are a hash of the whole history as read back from the cache. So a wrong slot, block table, position
 * or context length changes the generated tokens.
 */
export class HistoryModel implements CausalLM {
  readonly config: ModelConfig;
  readonly cacheShape: CacheShape = { numLayers: 1, numKvHeads: 1, headSize: HEAD_SIZE, storage: 'float32' };
  /** Number of tokens in each step so far. */
  readonly stepSizes: number[] = [];
  /** Called before each step, e.g. to throw. */
  beforeStep = (): void => {};
  disposed = false;

  constructor({ vocabSize, maxPositions = 256, eosTokenIds = [] }: HistoryModelOptions) {
    this.config = { vocabSize, maxPositions, eosTokenIds } as unknown as ModelConfig;
  }

  forward({ tokenIds, metadata, cache, logitRows }: ModelInput): Tensor2D {
    this.beforeStep();
    this.stepSizes.push(tokenIds.size);
    const step = metadata as StepMetadata;
    const { keyCache, valueCache } = (cache as PagedKVCache).layer(0);
    reshapeAndCache(toHeads(tokenIds), toHeads(step.positions), keyCache, valueCache, step.slotMapping);

    const [keys, values] = [keyCache.dataSync(), valueCache.dataSync()];
    const contextLens = step.contextLens.dataSync();
    const cuSeqlensQ =
      step.cuSeqlensQ?.dataSync() ?? Int32Array.from({ length: contextLens.length + 1 }, (_, i) => i);
    const tables = step.blockTables.arraySync();
    const blockSize = keyCache.shape[1] as number;
    const wanted = [...(logitRows?.dataSync() ?? tokenIds.dataSync().keys())];
    const logits = wanted.flatMap((row) => {
      const sequence = cuSeqlensQ.findIndex((start, i) => start <= row && row < cuSeqlensQ[i + 1]);
      const length = contextLens[sequence] - (cuSeqlensQ[sequence + 1] - 1 - row);
      let hash = length;
      for (let j = 0; j < length; j++) {
        const slot = tables[sequence][Math.floor(j / blockSize)] * blockSize + (j % blockSize);
        hash = mix(hash, keys[slot * HEAD_SIZE]);
        hash = mix(hash, values[slot * HEAD_SIZE]);
      }
      return Array.from({ length: this.config.vocabSize }, (_, token) => mix(hash, token) / 2 ** 29);
    });
    return tf.tensor2d(logits, [wanted.length, this.config.vocabSize]);
  }

  dispose(): void {
    this.disposed = true;
  }
}

/** Int32 `[tokens]` as float32 keys or values of one head. */
function toHeads(values: tf.Tensor): tf.Tensor {
  return tf.tile(tf.reshape(tf.cast(values, 'float32'), [-1, 1, 1]), [1, 1, HEAD_SIZE]);
}

/** The next state of a hash, in int32. */
function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca77);
  return h ^ (h >>> 13);
}
