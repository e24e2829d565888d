import type { ElementStorage } from '../storage/storage_types.ts';

const { floor } = Math; // in a vm context (jest), each access to a global is a slow lookup

/** Sizes of a cache in a test. */
export interface CacheSizes {
  layout: 'flash' | 'vllm';
  numBlocks: number;
  blockSize: number;
  kvHeads: number;
  headSize: number;
  storage: ElementStorage;
}

/** Shapes of the key and value cache tensors. */
export function cacheShapes(sizes: CacheSizes): { key: number[]; value: number[] } {
  const { layout, numBlocks, blockSize, kvHeads, headSize, storage } = sizes;
  if (layout === 'flash') {
    const shape = [numBlocks, blockSize, kvHeads, headSize];
    return { key: shape, value: shape };
  }
  const x = storage === 'float32' ? 4 : 8;
  return {
    key: [numBlocks, kvHeads, headSize / x, blockSize, x],
    value: [numBlocks, kvHeads, headSize, blockSize],
  };
}

/**
 * The index of element `d` of `head` in `slot`, from the layouts' definition: the row-major index of its coordinates.
 */
export function cacheIndex(
  sizes: CacheSizes,
  slot: number,
  head: number,
  d: number,
): { key: number; value: number } {
  const { layout, blockSize, storage } = sizes;
  const [block, offset] = [floor(slot / blockSize), slot % blockSize];
  const shapes = cacheShapes(sizes);
  if (layout === 'flash') {
    const index = rowMajor(shapes.key, [block, offset, head, d]);
    return { key: index, value: index };
  }
  const x = storage === 'float32' ? 4 : 8;
  return {
    key: rowMajor(shapes.key, [block, head, floor(d / x), offset, d % x]),
    value: rowMajor(shapes.value, [block, head, d, offset]),
  };
}

function rowMajor(shape: number[], index: number[]): number {
  let flat = 0;
  for (let axis = 0; axis < shape.length; axis++) flat = flat * shape[axis] + index[axis];
  return flat;
}
