import type { PadV2Attrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../shapes.ts';
import { copyParts } from './copy.ts';
import { fillWith } from './fill.ts';
import { rowMajorStrides } from './strides.ts';
import { isNumeric } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const pad = tfjsKernel<{ x: TensorInfo }, PadV2Attrs>('PadV2', ({ inputs: { x }, attrs, backend }) => {
  const { paddings, constantValue } = attrs;
  const shape = x.shape.map((length, axis) => paddings[axis][0] + length + paddings[axis][1]);
  if (!isNumeric(x) || sizeOf(shape) >= backend.launches.limits.size) return undefined;
  const outputStrides = rowMajorStrides(shape);
  const part = {
    x,
    shape: x.shape,
    xStrides: rowMajorStrides(x.shape),
    outputStrides,
    outputOffset: outputStrides.reduce((offset, stride, axis) => offset + stride * paddings[axis][0], 0),
  };
  const spec = { shape, dtype: x.dtype, storage: backend.elementStorageOf(x.dataId) };
  return copyParts(backend, spec, [part], (output) => fillWith(backend, output, constantValue));
});

export const padKernels: readonly TfjsKernel[] = [pad];
