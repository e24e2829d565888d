import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { sizeOf } from '../shapes.ts';
import { transposed } from './copy.ts';
import { isNumeric } from './tensors.ts';

/** A tensor viewed as rows along its last axis. */
export interface Rows {
  x: TensorInfo;
  rows: number;
  length: number;
}

/** The rows of `x`; `undefined` if it is empty, too large or not numeric. */
export function rowsOf(backend: DeviceBackend, x: TensorInfo): Rows | undefined {
  const size = sizeOf(x.shape);
  const length = x.shape.at(-1);
  if (!length || size === 0 || size >= backend.launches.limits.size || !isNumeric(x)) return undefined;
  return { x, rows: size / length, length };
}

/**
 * Calls `body` with the rows of `x` along any axis, transposing if necessary. If the result keeps x's axes, their order
 * is restored.
 */
export function withRowsAlong(
  backend: DeviceBackend,
  x: TensorInfo,
  axis: number,
  keepsAxis: boolean,
  body: (rows: Rows) => TensorInfo,
): TensorInfo | undefined {
  const permutation = backend_util.getAxesPermutation([axis], x.shape.length);
  const source = rowsOf(backend, x);
  if (!source || !permutation) return source && body(source);
  const transposedX = transposed(backend, x, permutation);
  if (!transposedX) return undefined;
  const result = body({ ...rowsOf(backend, transposedX)!, x: transposedX });
  backend.disposeIntermediateTensorInfo(transposedX);
  if (!keepsAxis) return result;
  const restored = transposed(backend, result, backend_util.getUndoAxesPermutation(permutation));
  backend.disposeIntermediateTensorInfo(result);
  return restored;
}
