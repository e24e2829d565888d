import type { TensorInfo } from '@tensorflow/tfjs-core';
import { describe } from '../checks.ts';
import type { Checks } from '../checks.ts';
import { elementStorageOf } from '../storage/storage_backend.ts';
import { BYTES_PER_ELEMENT } from '../storage/storage_types.ts';

/**
 * The strides of a cache tensor, in elements, from which {@link headAddress} and {@link elementOffset} compute addresses.
 * In layout `vllm` the elements of a key's head are stored in chunks of x.
 */
export interface CacheStrides {
  /** From one block to the next. */
  block: number;
  /** From one slot to the next in its block. */
  offset: number;
  /** From one KV head to the next. */
  head: number;
  /** Number of elements per chunk, `element` apart. */
  chunkSize: number;
  /** From one chunk to the next. */
  chunk: number;
  /** From one element to the next in its chunk. */
  element: number;
}

/** The sizes of a KV cache, and the strides of its keys and values. */
export interface CacheLayout {
  /** `flash`: keys and values `[numBlocks, blockSize, kvHeads, headSize]`. `vllm`: vLLM's layout, keys of rank 5. */
  layout: 'flash' | 'vllm';
  /** Number of blocks. */
  numBlocks: number;
  /** Slots per block. */
  blockSize: number;
  /** Number of KV heads. */
  numKvHeads: number;
  /** Elements per head. */
  headSize: number;
  /** Strides of the keys. */
  key: CacheStrides;
  /** Strides of the values. */
  value: CacheStrides;
}

const BLOCK_SIZES = { flash: [8, 16, 32, 64, 128, 256], vllm: [8, 16, 32, 64] } as const;

/**
 * The layout of a cache that {@link checkCacheLayout} accepted. The rank of the keys decides: `flash`, both
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

/** Index of the first element of `head` at `slot`. A float64, not an int32: caches exceed 2³¹ elements. */
export function headAddress(strides: CacheStrides, blockSize: number, slot: number, head: number): number {
  const offset = slot % blockSize;
  return ((slot - offset) / blockSize) * strides.block + offset * strides.offset + head * strides.head;
}

/** Offset of element `d` of a head from its first element, see {@link headAddress}. */
export function elementOffset(strides: CacheStrides, d: number): number {
  const inChunk = d % strides.chunkSize;
  return ((d - inChunk) / strides.chunkSize) * strides.chunk + inChunk * strides.element;
}

/** Checks a cache's dtypes, storage types, shapes, block size and head size. */
export function checkCacheLayout(checks: Checks, keyCache: TensorInfo, valueCache: TensorInfo): CacheLayout {
  checks.dtype('keyCache', keyCache, 'float32');
  checks.sameStorage('valueCache', valueCache, 'keyCache', keyCache);
  const storage = elementStorageOf(keyCache);
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
  checks.expectShape(found.numKvHeads > 0, 'keyCache', keyCache, 'at least one KV head');
  checkBlockSize(checks, 'keyCache', found.layout, found.blockSize);
  checkHeadSize(checks, 'keyCache', found.headSize);
  return found;
}

/** Checks that every backend's kernels support `blockSize` in `layout`. */
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

/** Checks that every backend's attention supports `headSize`. */
export function checkHeadSize(checks: Checks, argument: string, headSize: number): void {
  const isMultiple = Number.isInteger(headSize) && headSize > 0 && headSize % 8 === 0;
  if (isMultiple && (headSize <= 256 || headSize === 512)) return;
  const expected = 'a head size that is a multiple of 8 up to 256, or 512';
  checks.fail('ERR_UNSUPPORTED', argument, expected, describe(headSize));
}
