import { backend_util, slice_util, util } from '@tensorflow/tfjs-core';
import type {
  ReverseAttrs,
  SliceAttrs,
  SplitVAttrs,
  StridedSliceAttrs,
  TensorInfo,
  UnpackAttrs,
} from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import type { NumericType } from '../numeric_type.ts';
import { copyParts } from './copy.ts';
import { rowMajorStrides } from './strides.ts';
import { isNumeric } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

interface Part {
  begin: readonly number[];
  /** Number of elements along each axis. */
  shape: readonly number[];
  /** Steps between elements, negative to run backwards. Default: all 1. */
  steps?: readonly number[];
}

/** Copies a part of `x` to a tensor of `outputShape`. */
function copyPart(
  backend: DeviceBackend,
  x: TensorInfo,
  { begin, shape, steps }: Part,
  outputShape: number[] = [...shape],
): TensorInfo | undefined {
  const strides = rowMajorStrides(x.shape);
  const spec = {
    shape: outputShape,
    dtype: x.dtype as NumericType,
    storage: backend.elementStorageOf(x.dataId),
  };
  return copyParts(backend, spec, [
    {
      x,
      shape,
      xStrides: strides.map((stride, axis) => stride * (steps?.[axis] ?? 1)),
      xOffset: strides.reduce((offset, stride, axis) => offset + stride * begin[axis], 0),
    },
  ]);
}

/** Splits `x` along `axis` into tensors of `lengths`. */
function splitAlong(
  backend: DeviceBackend,
  x: TensorInfo,
  axis: number,
  lengths: readonly number[],
  outputShape?: number[],
): TensorInfo[] | undefined {
  const outputs: TensorInfo[] = [];
  let start = 0;
  for (const length of lengths) {
    const begin = x.shape.map((_, i) => (i === axis ? start : 0));
    const shape = x.shape.map((whole, i) => (i === axis ? length : whole));
    const output = copyPart(backend, x, { begin, shape }, outputShape);
    if (!output) return undefined; // at the first part or never
    outputs.push(output);
    start += length;
  }
  return outputs;
}

const slice = tfjsKernel<{ x: TensorInfo }, SliceAttrs>('Slice', ({ inputs: { x }, attrs, backend }) => {
  if (!isNumeric(x)) return undefined;
  const [begin, shape] = slice_util.parseSliceParams(x, attrs.begin, attrs.size);
  slice_util.assertParamsValid(x, begin, shape);
  return copyPart(backend, x, { begin, shape });
});

const stridedSlice = tfjsKernel<{ x: TensorInfo }, StridedSliceAttrs>(
  'StridedSlice',
  ({ inputs: { x }, attrs, backend }) => {
    if (!isNumeric(x)) return undefined;
    const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs;
    const info = slice_util.sliceInfo(
      x.shape,
      begin,
      end,
      strides,
      beginMask,
      endMask,
      ellipsisMask,
      newAxisMask,
      shrinkAxisMask,
    );
    const shape = slice_util.computeOutShape(info.begin, info.end, info.strides);
    return copyPart(backend, x, { begin: info.begin, shape, steps: info.strides }, info.finalShape);
  },
);

const reverse = tfjsKernel<{ x: TensorInfo }, ReverseAttrs>(
  'Reverse',
  ({ inputs: { x }, attrs, backend }) => {
    if (!isNumeric(x)) return undefined;
    const axes = x.shape.length > 0 ? util.parseAxisParam(attrs.dims, x.shape) : [];
    const begin = x.shape.map((length, axis) => (axes.includes(axis) ? Math.max(0, length - 1) : 0));
    const steps = x.shape.map((_, axis) => (axes.includes(axis) ? -1 : 1));
    return copyPart(backend, x, { begin, shape: x.shape, steps });
  },
);

const splitV = tfjsKernel<{ x: TensorInfo }, SplitVAttrs>('SplitV', ({ inputs: { x }, attrs, backend }) => {
  if (!isNumeric(x)) return undefined;
  const [axis] = util.parseAxisParam(attrs.axis, x.shape);
  return splitAlong(backend, x, axis, backend_util.prepareSplitSize(x, attrs.numOrSizeSplits, axis));
});

const unpack = tfjsKernel<{ value: TensorInfo }, UnpackAttrs>(
  'Unpack',
  ({ inputs: { value }, attrs, backend }) => {
    if (!isNumeric(value)) return undefined;
    const [axis] = util.parseAxisParam(attrs.axis, value.shape);
    const lengths = Array.from({ length: value.shape[axis] }, () => 1);
    return splitAlong(
      backend,
      value,
      axis,
      lengths,
      value.shape.filter((_, i) => i !== axis),
    );
  },
);

export const sliceKernels: readonly TfjsKernel[] = [slice, stridedSlice, reverse, splitV, unpack];
