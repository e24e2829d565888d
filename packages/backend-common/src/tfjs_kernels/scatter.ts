import { backend_util } from '@tensorflow/tfjs-core';
import type { ScatterNdAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { sizeOf } from '../shapes.ts';
import { withStorage } from './copy.ts';
import { checkIndices } from './indices.ts';
import { haveType, isNumeric, makeTensor, promotedStorage } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

/** Adds updates to zeros, or writes them to a copy of `tensor`. All have the same dtype. */
function scatter(
  backend: DeviceBackend,
  indices: TensorInfo,
  updates: TensorInfo,
  shape: number[],
  tensor?: TensorInfo,
): TensorInfo | undefined {
  const { launches } = backend;
  const size = sizeOf(shape);
  if (!isNumeric(updates) || !haveType([indices], 'int32')) return undefined;
  if (size === 0 || size >= launches.limits.size) return undefined;
  const shapes = backend_util.calculateShapes(updates, indices, shape);
  const { sliceRank, numUpdates: count, sliceSize } = shapes;
  const strides = shapes.strides.slice(0, sliceRank);
  const slices = size / sliceSize;
  if (sliceRank === 0 || sliceRank > launches.limits.rank || updates.shape.length === 0) return undefined;
  checkIndices(backend, { indices, strides, slices }, (index) => {
    throw new RangeError(`Invalid indices: ${index.join()} does not index into ${shape.join()}`);
  });
  const storage = promotedStorage(backend, updates, ...(tensor ? [tensor] : []));
  return withStorage(backend, tensor ? [updates, tensor] : [updates], storage, ([own, base]) => {
    const output = makeTensor(backend, shape, updates.dtype, storage);
    launches.scatter(backend, {
      tensor: base,
      indices,
      updates: own,
      output,
      strides,
      count,
      sliceSize,
      slices,
    });
    return output;
  });
}

const scatterNd = tfjsKernel<{ indices: TensorInfo; updates: TensorInfo }, ScatterNdAttrs>(
  'ScatterNd',
  ({ inputs: { indices, updates }, attrs: { shape }, backend }) =>
    haveType([updates], 'float32', 'int32') ? scatter(backend, indices, updates, shape) : undefined,
);

const tensorScatterUpdate = tfjsKernel<
  { tensor: TensorInfo; indices: TensorInfo; updates: TensorInfo },
  object
>('TensorScatterUpdate', ({ inputs: { tensor, indices, updates }, backend }) =>
  tensor.dtype === updates.dtype ? scatter(backend, indices, updates, tensor.shape, tensor) : undefined,
);

export const scatterKernels: readonly TfjsKernel[] = [scatterNd, tensorScatterUpdate];
