import { backend_util, util } from '@tensorflow/tfjs-core';
import type { ConcatAttrs, PackAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import type { NumericType } from '../numeric_type.ts';
import { sizeOf } from '../shapes.ts';
import { copyParts } from './copy.ts';
import { rowMajorStrides } from './strides.ts';
import { haveOneNumericType, promotedStorage } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

/** Joins tensors along `axis`, each viewed with its shape in `shapes`. */
function join(
  backend: DeviceBackend,
  tensors: readonly TensorInfo[],
  shapes: number[][],
  axis: number,
  outputShape: number[],
): TensorInfo | undefined {
  const strides = rowMajorStrides(outputShape);
  const dtype = tensors[0].dtype as NumericType;
  const storage = promotedStorage(backend, ...tensors);
  let start = 0;
  const parts = tensors.map((x, i) => {
    const shape = shapes[i];
    const outputOffset = start * strides[axis];
    start += shape[axis];
    return { x, shape, xStrides: rowMajorStrides(shape), outputStrides: strides, outputOffset };
  });
  return copyParts(backend, { shape: outputShape, dtype, storage }, parts);
}

const concat = tfjsKernel<TensorInfo[], ConcatAttrs>('Concat', ({ inputs, attrs, backend }) => {
  if (!haveOneNumericType(...inputs)) return undefined;
  const [axis] = util.parseAxisParam(attrs.axis, inputs[0].shape);
  const shapes = inputs.map(({ shape }) => shape);
  backend_util.assertParamsConsistent(shapes, axis);
  const outputShape = backend_util.computeOutShape(shapes, axis);
  const filled = inputs.filter(({ shape }) => sizeOf(shape) > 0);
  if (filled.length === 0) return undefined;
  return join(
    backend,
    filled,
    filled.map(({ shape }) => shape),
    axis,
    outputShape,
  );
});

const pack = tfjsKernel<TensorInfo[], PackAttrs>('Pack', ({ inputs, attrs, backend }) => {
  if (!haveOneNumericType(...inputs)) return undefined;
  const [{ shape }] = inputs;
  for (const { shape: other } of inputs) {
    util.assertShapesMatch(shape, other, 'All tensors passed to stack must have matching shapes');
  }
  const rank = shape.length + 1;
  const axis = attrs.axis < 0 ? attrs.axis + rank : attrs.axis;
  const partShape = shape.toSpliced(axis, 0, 1);
  const outputShape = shape.toSpliced(axis, 0, inputs.length);
  return join(
    backend,
    inputs,
    inputs.map(() => partShape),
    axis,
    outputShape,
  );
});

export const concatKernels: readonly TfjsKernel[] = [concat, pack];
