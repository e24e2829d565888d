/** Strides of a row-major tensor, in elements. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = Array.from<number>({ length: shape.length });
  for (let axis = shape.length - 1, stride = 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** Strides that broadcast a tensor of `shape` to `outputShape`: 0 along broadcast axes. */
export function broadcastStrides(shape: readonly number[], outputShape: readonly number[]): number[] {
  const strides = rowMajorStrides(shape);
  const missing = outputShape.length - shape.length;
  return outputShape.map((_, axis) => {
    const own = axis - missing;
    return own < 0 || shape[own] === 1 ? 0 : strides[own];
  });
}

/** Axes shared by several tensors, with the strides of each. */
export interface Walk {
  shape: number[];
  /** Strides of each tensor. */
  strides: number[][];
}

/**
 * Joins adjacent axes that are contiguous in every tensor, and drops axes of length 1. Returns `undefined` if more than
 * `maxRank` remain.
 */
export function collapse(
  shape: readonly number[],
  strides: readonly number[][],
  maxRank: number,
): Walk | undefined {
  const walk: Walk = { shape: [], strides: strides.map(() => []) };
  for (let axis = 0; axis < shape.length; axis++) {
    if (shape[axis] === 1) continue;
    const last = walk.shape.length - 1;
    const follows = last >= 0 && strides.every((own, i) => walk.strides[i][last] === own[axis] * shape[axis]);
    if (follows) {
      walk.shape[last] *= shape[axis];
      for (const [i, own] of strides.entries()) walk.strides[i][last] = own[axis];
    } else {
      walk.shape.push(shape[axis]);
      for (const [i, own] of strides.entries()) walk.strides[i].push(own[axis]);
    }
  }
  return walk.shape.length <= maxRank ? walk : undefined;
}
