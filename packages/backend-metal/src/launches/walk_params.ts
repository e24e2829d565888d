import { uint32, uint64 } from '../params.ts';
import type { Param } from '../params.ts';

/** Most axes that shaders index; as in strides.h. */
export const MAX_RANK = 6;

/** A shader's `ulong[length]`. */
export function strideParams(strides: readonly number[], length = MAX_RANK): Param[] {
  return Array.from({ length }, (_, axis) => uint64(strides[axis] ?? 0));
}

/** A shader's `uint[length]`, 1 past the end. */
export function shapeParams(shape: readonly number[], length = MAX_RANK): Param[] {
  return Array.from({ length }, (_, axis) => uint32(shape[axis] ?? 1));
}
