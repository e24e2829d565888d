import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { sizeOf } from '../shapes.ts';
import { transposed } from './copy.ts';
import { isNumeric } from './tensors.ts';

/** A tensor as rows along its last axis. */
export interface Rows {
  x: TensorInfo;
  rows: number;
  length: number;
}

/** The rows of `x`; `undefined` where there are none for a kernel to work on. */
export function rowsOf(backend: DeviceBackend, x: TensorInfo): Rows | undefined {
  const size = sizeOf(x.shape);
  const length = x.shape.at(-1);
  if (!length || size === 0 || size >= backend.launches.limits.size || !isNumeric(x)) return undefined;
  return { x, rows: size / length, length };
}

/** Hands `body` the rows of `x` along any `axis`; a result with `x`'s axes is put back in their order. */
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
  const turned = transposed(backend, x, permutation);
  if (!turned) return undefined;
  const result = body({ ...rowsOf(backend, turned)!, x: turned });
  backend.disposeIntermediateTensorInfo(turned);
  if (!keepsAxis) return result;
  const back = transposed(backend, result, backend_util.getUndoAxesPermutation(permutation));
  backend.disposeIntermediateTensorInfo(result);
  return back;
}
