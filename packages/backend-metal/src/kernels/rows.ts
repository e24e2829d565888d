import { backend_util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { transposed } from './copy.ts';
import { haveType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

/** A tensor as rows along its last axis. */
export interface Rows {
  x: TensorInfo;
  rows: number;
  length: number;
}

/** The rows of `x`; `undefined` where there are none for a shader to work on. */
export function rowsOf(x: TensorInfo): Rows | undefined {
  const size = sizeOf(x.shape);
  const length = x.shape.at(-1);
  if (!length || size === 0 || size >= MAX_SIZE || !haveType([x], 'float32', 'int32', 'bool'))
    return undefined;
  return { x, rows: size / length, length };
}

/** Hands `body` the rows of `x` along any `axis`; a result with `x`'s axes is put back in their order. */
export function withRowsAlong(
  backend: MetalBackend,
  x: TensorInfo,
  axis: number,
  keepsAxis: boolean,
  body: (rows: Rows) => TensorInfo,
): TensorInfo | undefined {
  const permutation = backend_util.getAxesPermutation([axis], x.shape.length);
  const source = rowsOf(x);
  if (!source || !permutation) return source && body(source);
  const turned = transposed(backend, x, permutation);
  if (!turned) return undefined;
  const result = body({ ...rowsOf(turned)!, x: turned });
  backend.disposeIntermediateTensorInfo(turned);
  if (!keepsAxis) return result;
  const back = transposed(backend, result, backend_util.getUndoAxesPermutation(permutation));
  backend.disposeIntermediateTensorInfo(result);
  return back;
}
