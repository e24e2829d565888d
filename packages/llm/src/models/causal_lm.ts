import type { InputMetadata, PagedKVCache, ElementStorage } from '@attention-js/core';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';

/** One step of a batch: the new tokens of every scheduled sequence, one after the other. */
export interface ModelInput {
  /** int32 `[tokens]`. */
  tokenIds: Tensor1D;
  /** Positions, slots and block tables of the step, shared by all layers. */
  metadata: InputMetadata;
  /** The cache this step's keys and values go to; without it each sequence attends to its own tokens of this step. */
  cache?: PagedKVCache;
  /** int32: rows of `tokenIds` whose logits are wanted; all of them by default. */
  logitRows?: Tensor1D;
}

/** What the cache of a model has to hold; spreads into `new PagedKVCache({...})`. */
export interface CacheShape {
  /** Layers of the model. */
  numLayers: number;
  /** KV heads of a layer. */
  numKvHeads: number;
  /** Elements of a head. */
  headSize: number;
  /** Storage type of queries, keys and values. */
  storage: ElementStorage;
}

/** A decoder language model. */
export interface CausalLM {
  /** The model's config.json, normalised. */
  readonly config: ModelConfig;
  /** What a cache for this model has to hold. */
  readonly cacheShape: CacheShape;
  /**
   * Computes logits, and writes this step's keys and values if a cache is given.
   *
   * @returns float32 `[rows, vocabSize]`.
   */
  forward(input: ModelInput): Tensor2D;
  /** Frees the weights. */
  dispose(): void;
}
