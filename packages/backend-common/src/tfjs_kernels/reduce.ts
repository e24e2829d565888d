import { backend_util, util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';
import { Reduction } from '../enumerations.ts';
import type { NumericType } from '../numeric_type.ts';
import { sizeOf } from '../shapes.ts';
import { collapse, rowMajorStrides } from './strides.ts';
import { isNumeric, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

type Types = Partial<Record<NumericType, NumericType>>;
const NUMBERS: Types = { float32: 'float32', int32: 'int32', bool: 'int32' };
const SAME: Types = { float32: 'float32', int32: 'int32', bool: 'bool' };

type OperationName = keyof typeof Reduction;

/** The output dtype per operation and input dtype. */
const OUTPUT_TYPES: Readonly<Record<OperationName, Types>> = {
  Sum: NUMBERS,
  Mean: { float32: 'float32', int32: 'float32', bool: 'float32' },
  Prod: NUMBERS,
  Max: SAME,
  Min: SAME,
  All: { bool: 'bool' },
  Any: { bool: 'bool' },
};

/** Reduces axes. Returns `undefined` if the dtype or shape is not supported. */
export function reduce(
  backend: DeviceBackend,
  name: OperationName,
  x: TensorInfo,
  axis: number | number[],
  keepDims = false,
): TensorInfo | undefined {
  const { launches } = backend;
  const { limits } = launches;
  const size = sizeOf(x.shape);
  if (!isNumeric(x) || size === 0 || size >= limits.size) return undefined;
  const outputDtype = OUTPUT_TYPES[name][x.dtype];
  if (!outputDtype) return undefined;
  const axes = util.parseAxisParam(axis, x.shape).toSorted((a, b) => a - b);
  const [outputShape, reduceShape] = backend_util.computeOutAndReduceShapes(x.shape, axes);
  const strides = rowMajorStrides(x.shape);
  const isKept = x.shape.map((_, i) => !axes.includes(i));
  const kept = collapse(outputShape, [strides.filter((_, i) => isKept[i])], limits.rank);
  const reduced = collapse(reduceShape, [strides.filter((_, i) => !isKept[i])], limits.rank);
  if (!kept || !reduced) return undefined;

  const shape = keepDims ? backend_util.expandShapeToKeepDim(outputShape, axes) : outputShape;
  const output = makeTensor(backend, shape, outputDtype, backend.elementStorageOf(x.dataId));
  const sizes = { outputSize: sizeOf(outputShape), reduceSize: sizeOf(reduceShape) };
  launches.reduce(backend, { operation: Reduction[name], x, output, kept, reduced, ...sizes });
  return output;
}

interface ReduceAttributes {
  axis?: number | number[];
  /** The name of `axis` in Max. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

export const reduceKernels: readonly TfjsKernel[] = (Object.keys(Reduction) as OperationName[]).map((name) =>
  tfjsKernel<{ x: TensorInfo }, ReduceAttributes>(name, ({ inputs: { x }, attrs, backend }) => {
    const axes = attrs.axis ?? attrs.reductionIndices ?? x.shape.map((_, i) => i);
    return reduce(backend, name, x, axes, attrs.keepDims);
  }),
);
