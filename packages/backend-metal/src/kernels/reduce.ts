import { backend_util, util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementType, haveType, makeTensor } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE, collapse, rowMajorStrides, shapeParams, strideParams } from './strides.ts';

const MAX_THREADS = 256; // as in reduce.metal
const ELEMENTS_PER_THREAD = 16;

/** Slices up to this length are for one thread each. */
const SHORT_SLICE = 64;

/** So many outputs, and a thread for each fills the device. */
const MANY_OUTPUTS = 4096;

type Types = Partial<Record<NumericType, NumericType>>;
const NUMBERS: Types = { float32: 'float32', int32: 'int32', bool: 'int32' };
const SAME: Types = { float32: 'float32', int32: 'int32', bool: 'bool' };

/** The operations of reduce.metal, in its order: the dtype they give for each they take. */
const OPERATIONS: readonly { name: string; types: Types }[] = [
  { name: 'Sum', types: NUMBERS },
  { name: 'Mean', types: { float32: 'float32', int32: 'float32', bool: 'float32' } },
  { name: 'Prod', types: NUMBERS },
  { name: 'Max', types: SAME },
  { name: 'Min', types: SAME },
  { name: 'All', types: { bool: 'bool' } },
  { name: 'Any', types: { bool: 'bool' } },
];

/** Threads of a threadgroup that shares `length` elements: a power of two. */
export function groupThreads(length: number): number {
  let threads = 32;
  while (threads < MAX_THREADS && threads * ELEMENTS_PER_THREAD < length) threads *= 2;
  return threads;
}

function reduce(
  backend: MetalBackend,
  name: string,
  x: TensorInfo,
  axis: number | number[],
  keepDims: boolean,
): TensorInfo | undefined {
  const operation = OPERATIONS.findIndex((candidate) => candidate.name === name);
  const outputDtype = OPERATIONS[operation].types[x.dtype as NumericType];
  const size = sizeOf(x.shape);
  if (!haveType([x], 'float32', 'int32', 'bool') || !outputDtype || size === 0 || size >= MAX_SIZE) {
    return undefined;
  }
  const axes = util.parseAxisParam(axis, x.shape).toSorted((a, b) => a - b);
  const [outputShape, reduceShape] = backend_util.computeOutAndReduceShapes(x.shape, axes);
  const strides = rowMajorStrides(x.shape);
  const stays = x.shape.map((_, i) => !axes.includes(i));
  const kept = collapse(outputShape, [strides.filter((_, i) => stays[i])]);
  const reduced = collapse(reduceShape, [strides.filter((_, i) => !stays[i])]);
  if (!kept || !reduced) return undefined;

  const outputSize = sizeOf(outputShape);
  const reduceSize = sizeOf(reduceShape);
  const shape = keepDims ? backend_util.expandShapeToKeepDim(outputShape, axes) : outputShape;
  const output = makeTensor(backend, shape, outputDtype, backend.storageOf(x.dataId));
  const isInnermost = reduced.strides[0].at(-1) === 1;
  const byThread = reduceSize <= SHORT_SLICE || (!isInnermost && outputSize >= MANY_OUTPUTS);
  backend.dispatch({
    shader: 'reduce',
    function: `${byThread ? 'reduce_threads' : 'reduce_groups'}_${outputDtype === 'float32' ? 'float' : 'int'}`,
    constants: {
      operation,
      x_type: elementType(backend, x),
      output_type: elementType(backend, output),
    },
    buffers: [x, output],
    params: [
      ...strideParams(kept.strides[0]),
      ...strideParams(reduced.strides[0]),
      ...shapeParams(kept.shape),
      ...shapeParams(reduced.shape),
      uint32(kept.shape.length),
      uint32(reduced.shape.length),
      uint32(outputSize),
      uint32(reduceSize),
    ],
    ...(byThread
      ? stridedGrid(outputSize, Math.max(1, Math.floor(SHORT_SLICE / reduceSize)))
      : { threadgroups: [outputSize, 1, 1] as const, threads: [groupThreads(reduceSize), 1, 1] as const }),
  });
  return output;
}

interface ReduceAttributes {
  axis?: number | number[];
  /** What Max calls its axes. */
  reductionIndices?: number | number[];
  keepDims: boolean;
}

for (const { name } of OPERATIONS) {
  tfjsKernel<{ x: TensorInfo }, ReduceAttributes>(name, ({ inputs: { x }, attrs, backend }) => {
    const axes = attrs.axis ?? attrs.reductionIndices ?? x.shape.map((_, i) => i);
    return reduce(backend, name, x, axes, attrs.keepDims ?? false);
  });
}
