import { keep } from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { Checks, describe } from '../checks.ts';
import { checkBlockSize, checkHeadSize } from '../ops/cache_layout.ts';
import type { CacheLayout } from '../ops/cache_layout.ts';
import { checkBlockPairs } from '../ops/block_pairs.ts';
import { copyBlocks } from '../ops/copy_blocks.ts';
import { swapBlocks } from '../ops/swap_blocks.ts';
import { pinToBackend } from '../storage/storage_backend.ts';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { BYTES_PER_ELEMENT, ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { StorageMemory, ElementStorage } from '../storage/storage_types.ts';

/** Options of {@link PagedKVCache}. */
export interface PagedKVCacheOptions {
  /** Layers of the model. */
  numLayers: number;
  /** Blocks per layer. */
  numBlocks: number;
  /** Tokens per block: a power of two from 8 to 256; up to 64 in layout `vllm`. */
  blockSize: number;
  /** KV heads of the model. */
  numKvHeads: number;
  /** Elements per head: a multiple of 8 up to 256, or 512. */
  headSize: number;
  /** Storage type of keys and values, the same as that of queries. Default `float32`. */
  storage?: ElementStorage;
  /**
   * `flash` (default): keys and values `[numBlocks, blockSize, numKvHeads, headSize]`. `vllm`: keys
   * `[numBlocks, numKvHeads, headSize / x, blockSize, x]` with x = 16 / bytes per element, values
   * `[numBlocks, numKvHeads, headSize, blockSize]`.
   */
  layout?: CacheLayout['layout'];
  /** `device` (default), or `host` for a cache to which blocks are swapped out. */
  memory?: StorageMemory;
}

/** Keys and values of one layer. */
export interface LayerCache {
  /** Keys; shape by layout. */
  keyCache: Tensor;
  /** Values; shape by layout. */
  valueCache: Tensor;
}

const OPTIONS = [
  'numLayers',
  'numBlocks',
  'blockSize',
  'numKvHeads',
  'headSize',
  'storage',
  'layout',
  'memory',
] as const satisfies readonly (keyof PagedKVCacheOptions)[];

const checks = new Checks('PagedKVCache');
const checksOf = {
  apply: new Checks('PagedKVCache.apply'),
  swapOut: new Checks('PagedKVCache.swapOut'),
  swapIn: new Checks('PagedKVCache.swapIn'),
};

/**
 * Keys and values of every layer of a model, in blocks. It owns its tensors: `tf.tidy` does not dispose them, and they
 * stay on the backend that was active when they were made. `BlockManager` decides what each block holds.
 *
 * Do not `clone` or `reshape` a cache tensor to save its content: both share its data, which later steps overwrite.
 *
 * @example
 * ```ts
 * using cache = new PagedKVCache({ numLayers: 2, numBlocks: 64, blockSize: 16, numKvHeads: 2, headSize: 64 });
 * const { keyCache, valueCache } = cache.layer(0);
 * ```
 * @see Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023.
 */
export class PagedKVCache {
  /** Layers of the model. */
  readonly numLayers: number;
  /** Blocks per layer. */
  readonly numBlocks: number;
  /** Tokens per block. */
  readonly blockSize: number;
  /** Storage type of keys and values. */
  readonly storage: ElementStorage;
  /**
   * Bytes of all keys and values in their storage type. (On tfjs's `cpu` backend, every element takes 4 bytes.)
   */
  readonly byteLength: number;

  readonly #keyCaches: Tensor[] = [];
  readonly #valueCaches: Tensor[] = [];
  #disposed = false;

  /**
   * @throws AttentionError `ERR_RANGE` for a size below 1 and an unknown storage type, layout or memory,
   * `ERR_UNSUPPORTED` for an unknown option, a block or head size that no kernel supports or a backend without storage types,
   * `ERR_OUT_OF_MEMORY` if the device lacks the memory.
   */
  constructor(options: PagedKVCacheOptions) {
    checks.keys('options', options, OPTIONS);
    const { numLayers, numBlocks, blockSize, numKvHeads, headSize } = options;
    const { storage = 'float32', layout = 'flash', memory = 'device' } = options;
    for (const [name, size] of Object.entries({ numLayers, numBlocks, numKvHeads })) {
      checks.integer(name, size, 1);
    }
    checks.oneOf('storage', storage, ELEMENT_STORAGE_TYPES);
    checks.oneOf('layout', layout, ['flash', 'vllm']);
    checks.oneOf('memory', memory, ['device', 'host']);
    checkBlockSize(checks, 'blockSize', layout, blockSize);
    checkHeadSize(checks, 'headSize', headSize);
    checks.integer('numBlocks', numBlocks, 1, Math.floor((2 ** 31 - 1) / blockSize)); // slots are int32
    this.numLayers = numLayers;
    this.numBlocks = numBlocks;
    this.blockSize = blockSize;
    this.storage = storage;
    const elements = numBlocks * blockSize * numKvHeads * headSize;
    this.byteLength = 2 * numLayers * elements * BYTES_PER_ELEMENT[storage];

    const x = 16 / BYTES_PER_ELEMENT[storage];
    const flash = [numBlocks, blockSize, numKvHeads, headSize];
    const [keyShape, valueShape] = {
      flash: [flash, flash],
      vllm: [
        [numBlocks, numKvHeads, headSize / x, blockSize, x],
        [numBlocks, numKvHeads, headSize, blockSize],
      ],
    }[layout];
    const make = (shape: number[]): Tensor => {
      const tensor = keep(zerosWithStorage(shape, storage, { memory }));
      pinToBackend(tensor);
      return tensor;
    };
    try {
      for (let layer = 0; layer < numLayers; layer++) {
        this.#keyCaches.push(make(keyShape));
        this.#valueCaches.push(make(valueShape));
      }
    } catch (error) {
      this.dispose(); // if a layer does not fit, free the others
      throw error;
    }
  }

  /**
   * Keys and values of layer `index`. The cache keeps ownership.
   *
   * @throws AttentionError `ERR_RANGE` for a layer that does not exist, `ERR_DISPOSED` after {@link dispose}.
   */
  layer(index: number): LayerCache {
    this.#expectLive('layer');
    checks.integer('layer', index, 0, this.numLayers - 1);
    return { keyCache: this.#keyCaches[index], valueCache: this.#valueCaches[index] };
  }

  /**
   * Copies blocks in every layer, as returned by `BlockManager.append` in `copies`, before the step's writes.
   *
   * @param pairs Source block, destination block, source block, …
   * @throws AttentionError as `copyBlocks`; `ERR_DISPOSED` after {@link dispose}.
   */
  apply(pairs: Int32Array): void {
    this.#expectLive('apply');
    checkBlockPairs(checksOf.apply, pairs, this.numBlocks, this.numBlocks);
    if (pairs.length > 0) copyBlocks(this.#keyCaches, this.#valueCaches, pairs);
  }

  /**
   * Copies blocks of every layer to a cache in host memory, as returned by `BlockManager.swapOut`.
   *
   * @param hostCache Cache of the same layers, block size, heads and storage; its number of blocks may differ.
   * @param pairs Block, host block, block, …
   * @throws AttentionError as `swapBlocks`; `ERR_DISPOSED` after {@link dispose} of either.
   */
  swapOut(hostCache: PagedKVCache, pairs: Int32Array): void {
    this.#expectSwappable('swapOut', hostCache);
    checkBlockPairs(checksOf.swapOut, pairs, this.numBlocks, hostCache.numBlocks);
    this.#forEachTensor(hostCache, (own, host) => swapBlocks(own, host, pairs));
  }

  /**
   * Copies blocks of every layer back from host memory, as returned by `BlockManager.swapIn`.
   *
   * @param hostCache The cache that {@link swapOut} copied to.
   * @param pairs Host block, block, host block, …
   * @throws AttentionError as `swapBlocks`; `ERR_DISPOSED` after {@link dispose} of either.
   */
  swapIn(hostCache: PagedKVCache, pairs: Int32Array): void {
    this.#expectSwappable('swapIn', hostCache);
    checkBlockPairs(checksOf.swapIn, pairs, hostCache.numBlocks, this.numBlocks);
    this.#forEachTensor(hostCache, (own, host) => swapBlocks(host, own, pairs));
  }

  /** Frees the memory of every layer. A second call does nothing. */
  dispose(): void {
    this.#disposed = true;
    for (const tensor of [...this.#keyCaches, ...this.#valueCaches]) tensor.dispose();
  }

  /** {@link dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #expectSwappable(method: 'swapIn' | 'swapOut', hostCache: PagedKVCache): void {
    this.#expectLive(method);
    const isCache = hostCache instanceof PagedKVCache;
    checks.expect(isCache, 'ERR_DTYPE', 'hostCache', 'a PagedKVCache', describe(hostCache));
    checks.expect(hostCache !== this, 'ERR_RANGE', 'hostCache', 'another cache', 'the cache itself');
    hostCache.#expectLive(method);
    const { numLayers } = this;
    checks.expect(
      hostCache.numLayers === numLayers,
      'ERR_SHAPE',
      'hostCache.numLayers',
      `${numLayers} to match this cache`,
      hostCache.numLayers,
    );
  }

  #forEachTensor(hostCache: PagedKVCache, swap: (own: Tensor, host: Tensor) => void): void {
    for (let layer = 0; layer < this.numLayers; layer++) {
      swap(this.#keyCaches[layer], hostCache.#keyCaches[layer]);
      swap(this.#valueCaches[layer], hostCache.#valueCaches[layer]);
    }
  }

  #expectLive(method: string): void {
    if (this.#disposed) checks.fail('ERR_DISPOSED', method, 'a live cache', 'a disposed one');
  }
}
