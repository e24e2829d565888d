import type { TileAttrs, TransposeAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { copyParts, transposed } from './copy.ts';
import { rowMajorStrides } from './strides.ts';
import { isNumeric } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const transpose = tfjsKernel<{ x: TensorInfo }, TransposeAttrs>(
  'Transpose',
  ({ inputs: { x }, attrs, backend }) => (isNumeric(x) ? transposed(backend, x, attrs.perm) : undefined),
);

const tile = tfjsKernel<{ x: TensorInfo }, TileAttrs>(
  'Tile',
  ({ inputs: { x }, attrs: { reps }, backend }) => {
    if (!isNumeric(x)) return undefined;
    // Each axis becomes two: repetitions, with stride 0 in x, and elements.
    const strides = rowMajorStrides(x.shape);
    const part = {
      x,
      shape: x.shape.flatMap((length, axis) => [reps[axis], length]),
      xStrides: strides.flatMap((stride) => [0, stride]),
    };
    const shape = x.shape.map((length, axis) => length * reps[axis]);
    const storage = backend.elementStorageOf(x.dataId);
    return copyParts(backend, { shape, dtype: x.dtype, storage }, [part]);
  },
);

export const transposeKernels: readonly TfjsKernel[] = [transpose, tile];
