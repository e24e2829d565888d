import { reshape, transpose } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import type { Checks, ExpectedDimension } from '../checks.ts';
import { castStorage } from '../ops/cast_storage.ts';
import { storageOf } from '../storage/storage_backend.ts';

/**
 * The layout of queries, keys and values in a model. All three have the same one, with KV heads for keys and values.
 */
export type HeadLayout = '[T, H, D]' | '[T, H*D]' | '[B, S, H*D]' | '[B, H, S, D]';

/** The batch of a layout with a batch dimension. */
export interface Batch {
  /** Sequences. */
  size: number;
  /** Tokens per sequence. */
  length: number;
}

/** Determines the layout of a query from its rank and its last dimensions. */
export function headLayoutOf(checks: Checks, query: Tensor, heads: number, headSize: number): HeadLayout {
  const width = heads * headSize;
  const { shape, rank } = query;
  if (rank === 2 && shape[1] === width) return '[T, H*D]';
  if (rank === 3 && shape[1] === heads && shape[2] === headSize) return '[T, H, D]';
  if (rank === 3 && shape[2] === width) return '[B, S, H*D]';
  if (rank === 4 && shape[1] === heads && shape[3] === headSize) return '[B, H, S, D]';
  const shapes = `[T, ${heads}, ${headSize}], [T, ${width}], [B, S, ${width}] or [B, ${heads}, S, ${headSize}]`;
  return checks.fail('ERR_SHAPE', 'query', `shape ${shapes}`, shape);
}

/** Throws unless `key` or `value` has the layout of the query, with `heads` heads. */
export function checkHeadLayout(
  checks: Checks,
  argument: string,
  tensor: Tensor,
  layout: HeadLayout,
  heads: number,
  headSize: number,
): void {
  checks.shape(argument, tensor, SHAPES[layout](heads, headSize), ' to match query');
}

const SHAPES: Record<HeadLayout, (heads: number, headSize: number) => ExpectedDimension[]> = {
  '[T, H, D]': (heads, headSize) => ['T', heads, headSize],
  '[T, H*D]': (heads, headSize) => ['T', heads * headSize],
  '[B, S, H*D]': (heads, headSize) => ['B', 'S', heads * headSize],
  '[B, H, S, D]': (heads, headSize) => ['B', heads, 'S', headSize],
};

/** The batch of a tensor in `layout`, or `undefined` if tokens are packed. */
export function batchOf(tensor: Tensor, layout: HeadLayout): Batch | undefined {
  const shape: number[] = tensor.shape;
  if (layout === '[B, S, H*D]') return { size: shape[0], length: shape[1] };
  if (layout === '[B, H, S, D]') return { size: shape[0], length: shape[2] };
  return undefined;
}

/** A tensor in `layout` as `[tokens, heads, headSize]`. */
export function toTokens(tensor: Tensor, layout: HeadLayout, heads: number, headSize: number): Tensor3D {
  if (layout === '[T, H, D]') return tensor as Tensor3D;
  const tokens = layout === '[B, H, S, D]' ? swapMiddle(tensor) : tensor;
  return reshape(tokens, [tensor.size / (heads * headSize), heads, headSize]);
}

/** The reverse of {@link toTokens}. */
export function fromTokens(tokens: Tensor3D, layout: HeadLayout, shape: number[]): Tensor {
  if (layout === '[T, H, D]') return tokens;
  if (layout !== '[B, H, S, D]') return reshape(tokens, shape);
  const [size, heads, length, headSize] = shape;
  return swapMiddle(reshape(tokens, [size, length, heads, headSize]));
}

/** `[B, H, S, D]` to `[B, S, H, D]` or back, keeping the storage type: on `cpu`, tfjs's own ops return float32. */
function swapMiddle(tensor: Tensor): Tensor {
  const [size, first, second, last] = tensor.shape;
  if (first === 1 || second === 1) return reshape(tensor, [size, second, first, last]);
  const swapped = transpose(tensor, [0, 2, 1, 3]);
  const storage = storageOf(tensor);
  return storageOf(swapped) === storage ? swapped : castStorage(swapped, storage);
}
