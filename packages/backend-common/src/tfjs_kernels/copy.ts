import type { ElementStorage } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import type { NumericType } from '../numeric_type.ts';
import { sizeOf } from '../shapes.ts';
import { collapse, rowMajorStrides } from './strides.ts';
import { makeTensor } from './tensors.ts';

/** A part of a tensor that is copied to a part of the output. */
export interface CopyPart {
  x: TensorInfo;
  /** Shape of the part. */
  shape: readonly number[];
  xStrides: number[];
  xOffset?: number;
  /** Default: row-major strides of `shape`. */
  outputStrides?: number[];
  outputOffset?: number;
}

/**
 * Makes a tensor, lets `prepare` write to it, and copies parts of other tensors into it. Returns `undefined` if a part
 * exceeds the kernels' limits.
 */
export function copyParts(
  backend: DeviceBackend,
  spec: { shape: number[]; dtype: NumericType; storage?: ElementStorage },
  parts: readonly CopyPart[],
  prepare?: (output: TensorInfo) => void,
): TensorInfo | undefined {
  const { copy, limits } = backend.launches;
  const walks = parts.map(({ shape, xStrides, outputStrides = rowMajorStrides(shape) }) =>
    sizeOf(shape) < limits.size ? collapse(shape, [xStrides, outputStrides], limits.rank) : undefined,
  );
  if (walks.some((walk) => walk === undefined)) return undefined;
  const output = makeTensor(backend, spec.shape, spec.dtype, spec.storage);
  prepare?.(output);
  for (const [i, { x, shape, xOffset = 0, outputOffset = 0 }] of parts.entries()) {
    const size = sizeOf(shape);
    if (size > 0) copy(backend, { x, output, size, walk: walks[i]!, xOffset, outputOffset });
  }
  return output;
}

/** Converts a float32 tensor to another storage type, or any tensor to another dtype. */
export function converted(
  backend: DeviceBackend,
  x: TensorInfo,
  dtype: NumericType,
  storage: ElementStorage = 'float32',
): TensorInfo {
  const shape = [sizeOf(x.shape)];
  const output = copyParts(backend, { shape, dtype, storage }, [{ x, shape, xStrides: [1] }]);
  if (!output) {
    throw new RangeError(
      `expected fewer than ${backend.launches.limits.size} elements, received ${shape[0]}`,
    );
  }
  return { ...output, shape: x.shape };
}

/** Runs `body` with `tensors` in one storage type, converting those of another type. */
export function withStorage<Result>(
  backend: DeviceBackend,
  tensors: readonly TensorInfo[],
  storage: ElementStorage,
  body: (tensors: TensorInfo[]) => Result,
): Result {
  const own = tensors.map((tensor) =>
    backend.elementStorageOf(tensor.dataId) === storage
      ? tensor
      : converted(backend, tensor, 'float32', storage),
  );
  const result = body(own);
  for (const [i, tensor] of own.entries()) {
    if (tensor !== tensors[i]) backend.disposeIntermediateTensorInfo(tensor);
  }
  return result;
}

/** `x` with permuted axes. */
export function transposed(
  backend: DeviceBackend,
  x: TensorInfo,
  permutation: readonly number[],
): TensorInfo | undefined {
  const strides = rowMajorStrides(x.shape);
  const shape = permutation.map((axis) => x.shape[axis]);
  const part = { x, shape, xStrides: permutation.map((axis) => strides[axis]) };
  const storage = backend.elementStorageOf(x.dataId);
  return copyParts(backend, { shape, dtype: x.dtype as NumericType, storage }, [part]);
}
