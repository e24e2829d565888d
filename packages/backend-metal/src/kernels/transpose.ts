import type { TileAttrs, TransposeAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { copyParts, transposed } from './copy.ts';
import { haveType } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { rowMajorStrides } from './strides.ts';

tfjsKernel<{ x: TensorInfo }, TransposeAttrs>('Transpose', ({ inputs: { x }, attrs, backend }) =>
  haveType([x], 'float32', 'int32', 'bool') ? transposed(backend, x, attrs.perm) : undefined,
);

tfjsKernel<{ x: TensorInfo }, TileAttrs>('Tile', ({ inputs: { x }, attrs: { reps }, backend }) => {
  if (!haveType([x], 'float32', 'int32', 'bool')) return undefined;
  // Each axis is an axis of repetitions, which stands still in x, and one of elements.
  const strides = rowMajorStrides(x.shape);
  const part = {
    x,
    shape: x.shape.flatMap((length, axis) => [reps[axis], length]),
    xStrides: strides.flatMap((stride) => [0, stride]),
  };
  const shape = x.shape.map((length, axis) => length * reps[axis]);
  const storage = backend.storageOf(x.dataId);
  return copyParts(backend, { shape, dtype: x.dtype as NumericType, storage }, [part]);
});
