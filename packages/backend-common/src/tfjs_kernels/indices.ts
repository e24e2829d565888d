import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { binary } from './binary.ts';
import { reduce } from './reduce.ts';

/** Slices selected by indices [count, strides.length]. */
export interface SliceIndices {
  indices: TensorInfo;
  /** Strides of the coordinates of an index, in slices. */
  strides: readonly number[];
  /** Number of slices. */
  slices: number;
}

/** Calls `fail` with the first index out of range, if the indices can be read without waiting for the device. */
export function checkIndices(
  backend: DeviceBackend,
  { indices, strides, slices }: SliceIndices,
  fail: (index: number[]) => never,
): void {
  if (backend.isPending(indices)) return;
  const values = backend.data.get(indices.dataId).values as Int32Array;
  const depth = strides.length;
  for (let start = 0; start < values.length; start += depth) {
    let position = 0;
    for (let axis = 0; axis < depth; axis++) position += values[start + axis] * strides[axis];
    if (position < 0 || position >= slices) fail(Array.from(values.subarray(start, start + depth)));
  }
}

/** Converts indices [count, strides.length] to positions of slices, int32 [count]. */
export function flatIndices(
  backend: DeviceBackend,
  indices: TensorInfo,
  strides: readonly number[],
): TensorInfo | undefined {
  const steps = backend.makeTensorInfo([strides.length], 'int32', Int32Array.from(strides));
  const terms = binary(backend, 'Multiply', indices, steps);
  const positions = terms && reduce(backend, 'Sum', terms, indices.shape.length - 1);
  backend.disposeIntermediateTensorInfo(steps);
  if (terms) backend.disposeIntermediateTensorInfo(terms);
  return positions;
}
