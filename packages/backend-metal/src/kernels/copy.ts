import type { StorageType } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32, uint64 } from '../params.ts';
import { computeType, elementBytes, elementType, makeTensor } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE, collapse, rowMajorStrides, shapeParams, strideParams } from './strides.ts';

const ELEMENTS_PER_THREAD = 8;

/** A part of a tensor, element by element, for a part of another. */
export interface CopyPart {
  x: TensorInfo;
  /** Shape of the part. */
  shape: readonly number[];
  xStrides: number[];
  xOffset?: number;
  /** Row-major strides of `shape` where left out. */
  outputStrides?: number[];
  outputOffset?: number;
}

/** Makes a tensor of parts of others; `undefined` where a part has more axes than shaders index. */
export function copyParts(
  backend: MetalBackend,
  spec: { shape: number[]; dtype: NumericType; storage?: StorageType },
  parts: readonly CopyPart[],
): TensorInfo | undefined {
  const walks = parts.map(({ shape, xStrides, outputStrides = rowMajorStrides(shape) }) =>
    sizeOf(shape) < MAX_SIZE ? collapse(shape, [xStrides, outputStrides]) : undefined,
  );
  if (walks.some((walk) => walk === undefined)) return undefined;
  const output = makeTensor(backend, spec.shape, spec.dtype, spec.storage);
  const outputType = elementType(backend, output);
  for (const [i, { x, xOffset = 0, outputOffset = 0 }] of parts.entries()) {
    const { shape, strides } = walks[i]!;
    const size = sizeOf(shape);
    const xType = elementType(backend, x);
    const isSameType = xType === outputType;
    const compute = output.dtype === 'float32' ? 'float' : computeType(x);
    backend.dispatch({
      shader: 'copy',
      function: isSameType ? `copy_${elementBytes(backend, x)}` : `convert_${compute}`,
      constants: { x_type: xType, output_type: outputType },
      buffers: [x, output],
      params: [
        ...strides.flatMap((own) => strideParams(own)),
        uint64(xOffset),
        uint64(outputOffset),
        ...shapeParams(shape),
        uint32(shape.length),
        uint32(size),
      ],
      ...stridedGrid(sizeOf(parts[i].shape), ELEMENTS_PER_THREAD),
    });
  }
  return output;
}

/** A float32 tensor in another storage type, or any tensor as another dtype. */
export function converted(
  backend: MetalBackend,
  x: TensorInfo,
  dtype: NumericType,
  storage: StorageType = 'float32',
): TensorInfo {
  const shape = [sizeOf(x.shape)];
  const part = { x, shape, xStrides: [1] };
  const output = copyParts(backend, { shape, dtype, storage }, [part]);
  if (!output) throw new RangeError(`[metal] expected fewer than ${MAX_SIZE} elements, received ${shape[0]}`);
  return { ...output, shape: x.shape };
}

/** Runs `body` with `tensors` in one storage type: converted where they have another. */
export function withStorage<Result>(
  backend: MetalBackend,
  tensors: readonly TensorInfo[],
  storage: StorageType,
  body: (tensors: TensorInfo[]) => Result,
): Result {
  const own = tensors.map((tensor) =>
    backend.storageOf(tensor.dataId) === storage ? tensor : converted(backend, tensor, 'float32', storage),
  );
  const result = body(own);
  for (const [i, tensor] of own.entries()) {
    if (tensor !== tensors[i]) backend.disposeIntermediateTensorInfo(tensor);
  }
  return result;
}

/** `x` with its axes in another order. */
export function transposed(
  backend: MetalBackend,
  x: TensorInfo,
  permutation: readonly number[],
): TensorInfo | undefined {
  const strides = rowMajorStrides(x.shape);
  const shape = permutation.map((axis) => x.shape[axis]);
  const part = { x, shape, xStrides: permutation.map((axis) => strides[axis]) };
  const storage = backend.storageOf(x.dataId);
  return copyParts(backend, { shape, dtype: x.dtype as NumericType, storage }, [part]);
}
