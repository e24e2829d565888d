import type { TensorInfo } from '@tensorflow/tfjs-core';
import { describe } from '../checks.ts';
import type { Checks } from '../checks.ts';
import { storageOf } from '../storage/storage_backend.ts';
import { BYTES_PER_ELEMENT } from '../storage/storage_types.ts';

/**
 * Where a cache tensor holds its elements: the steps, in elements, that {@link headAddress} and
 * {@link elementOffset} add up. For `vllm` the elements of a key's head lie in chunks of x.
 */
export interface CacheStrides {
  /** From a block to the next. */
  block: number;
  /** From a slot to the next one of its block. */
  offset: number;
  /** From a KV head to the next. */
  head: number;
  /** Elements of a head that lie `element` apart. */
  chunkSize: number;
  /** From a chunk to the next. */
  chunk: number;
  /** From an element to the next one of its chunk. */
  element: number;
}

/** The sizes of a KV cache, and where keys and values lie in it. */
export interface CacheLayout {
  /** `flash`: keys and values `[numBlocks, blockSize, kvHeads, headSize]`. `vllm`: vLLM's layout, keys of rank 5. */
  layout: 'flash' | 'vllm';
  /** Blocks in the cache. */
  numBlocks: number;
  /** Slots in a block. */
  blockSize: number;
  /** KV heads. */
  numKvHeads: number;
  /** Elements of a head. */
  headSize: number;
  /** Where keys lie. */
  key: CacheStrides;
  /** Where values lie. */
  value: CacheStrides;
}

const BLOCK_SIZES = { flash: [8, 16, 32, 64, 128, 256], vllm: [8, 16, 32, 64] } as const;

/**
 * The layout of a cache that {@link checkCacheLayout} accepted, told apart by the keys' rank: `flash`, both
 * `[numBlocks, blockSize, kvHeads, headSize]`, or `vllm`, keys `[numBlocks, kvHeads, headSize / x, blockSize, x]` and
 * values `[numBlocks, kvHeads, headSize, blockSize]`.
 */
export function cacheLayout(
  keyCache: Pick<TensorInfo, 'shape'>,
  valueCache: Pick<TensorInfo, 'shape'>,
): CacheLayout {
  if (keyCache.shape.length === 4) {
    const [numBlocks, blockSize, numKvHeads, headSize] = keyCache.shape;
    const strides = {
      block: blockSize * numKvHeads * headSize,
      offset: numKvHeads * headSize,
      head: headSize,
      chunkSize: headSize,
      chunk: headSize,
      element: 1,
    };
    return { layout: 'flash', numBlocks, blockSize, numKvHeads, headSize, key: strides, value: strides };
  }
  const [numBlocks, numKvHeads, headSize, blockSize] = valueCache.shape;
  const x = keyCache.shape[4];
  const [head, block] = [headSize * blockSize, numKvHeads * headSize * blockSize];
  return {
    layout: 'vllm',
    numBlocks,
    blockSize,
    numKvHeads,
    headSize,
    key: { block, offset: x, head, chunkSize: x, chunk: blockSize * x, element: 1 },
    value: { block, offset: 1, head, chunkSize: headSize, chunk: head, element: blockSize },
  };
}

/** Where the first element of `head` at `slot` lies. Numbers, not int32: caches pass 2³¹ elements. */
export function headAddress(strides: CacheStrides, blockSize: number, slot: number, head: number): number {
  const offset = slot % blockSize;
  return ((slot - offset) / blockSize) * strides.block + offset * strides.offset + head * strides.head;
}

/** How far element `d` of a head lies from its first, see {@link headAddress}. */
export function elementOffset(strides: CacheStrides, d: number): number {
  const inChunk = d % strides.chunkSize;
  return ((d - inChunk) / strides.chunkSize) * strides.chunk + inChunk * strides.element;
}

/** Checks a cache's dtypes, storage types, shapes, block size and head size. */
export function checkCacheLayout(checks: Checks, keyCache: TensorInfo, valueCache: TensorInfo): CacheLayout {
  checks.dtype('keyCache', keyCache, 'float32');
  checks.sameStorage('valueCache', valueCache, 'keyCache', keyCache);
  const storage = storageOf(keyCache);
  const x = 16 / BYTES_PER_ELEMENT[storage];
  const { shape } = keyCache;
  if (shape.length !== 4 && (shape.length !== 5 || shape[4] !== x)) {
    const vllm = `[numBlocks, kvHeads, headSize / ${x}, blockSize, ${x}] in ${storage}`;
    const expected = `shape [numBlocks, blockSize, kvHeads, headSize] or ${vllm}`;
    checks.fail('ERR_SHAPE', 'keyCache', expected, shape);
  }
  if (shape.length === 4) {
    checks.shape('valueCache', valueCache, shape, ' to match keyCache');
  } else {
    const [numBlocks, kvHeads, chunks, blockSize] = shape;
    checks.shape('valueCache', valueCache, [numBlocks, kvHeads, chunks * x, blockSize], ' to match keyCache');
  }
  const found = cacheLayout(keyCache, valueCache);
  checks.shapeThat(found.numKvHeads > 0, 'keyCache', keyCache, 'at least one KV head');
  checkBlockSize(checks, 'keyCache', found.layout, found.blockSize);
  checkHeadSize(checks, 'keyCache', found.headSize);
  return found;
}

/** `blockSize` is one that every backend's kernels support in `layout`. */
export function checkBlockSize(
  checks: Checks,
  argument: string,
  layout: CacheLayout['layout'],
  blockSize: number,
): void {
  const blockSizes: readonly number[] = BLOCK_SIZES[layout];
  if (blockSizes.includes(blockSize)) return;
  const expected = `a block size of ${blockSizes.join(', ')} in layout ${layout}`;
  checks.fail('ERR_UNSUPPORTED', argument, expected, describe(blockSize));
}

/** `headSize` is one that every backend's attention supports. */
export function checkHeadSize(checks: Checks, argument: string, headSize: number): void {
  const isMultiple = Number.isInteger(headSize) && headSize > 0 && headSize % 8 === 0;
  if (isMultiple && (headSize <= 256 || headSize === 512)) return;
  const expected = 'a head size that is a multiple of 8 up to 256, or 512';
  checks.fail('ERR_UNSUPPORTED', argument, expected, describe(headSize));
}
