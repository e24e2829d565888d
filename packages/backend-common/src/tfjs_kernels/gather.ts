import { backend_util, util } from '@tensorflow/tfjs-core';
import type { GatherV2Attrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../shapes.ts';
import { checkIndices, flatIndices } from './indices.ts';
import { haveType, isNumeric, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const gather = tfjsKernel<{ x: TensorInfo; indices: TensorInfo }, GatherV2Attrs>(
  'GatherV2',
  ({ inputs: { x, indices }, attrs, backend }) => {
    if (!isNumeric(x) || !haveType([indices], 'int32')) return undefined;
    const { launches } = backend;
    const [axis] = util.parseAxisParam(attrs.axis, x.shape);
    const strides = [1];
    checkIndices(backend, { indices, strides, slices: x.shape[axis] }, ([index]) => {
      throw new RangeError(`GatherV2: the index value ${index} is not in [0, ${x.shape[axis] - 1}]`);
    });
    const collected = backend_util.segment_util.collectGatherOpShapeInfo(
      x,
      indices,
      axis,
      attrs.batchDims ?? 0,
    );
    const { batchSize, outerSize, dimSize, sliceSize, outputShape } = collected;
    const size = sizeOf(outputShape);
    if (size >= launches.limits.size) return undefined;
    const output = makeTensor(backend, outputShape, x.dtype, backend.elementStorageOf(x.dataId));
    if (size === 0) return output;
    const indexCount = sizeOf(indices.shape) / batchSize;
    launches.gather(backend, {
      x,
      indices,
      output,
      strides,
      batchSize,
      outerSize,
      dimSize,
      indexCount,
      sliceSize,
    });
    return output;
  },
);

const gatherNd = tfjsKernel<{ params: TensorInfo; indices: TensorInfo }, object>(
  'GatherNd',
  ({ inputs: { params: x, indices }, backend }) => {
    if (!isNumeric(x) || !haveType([indices], 'int32')) return undefined;
    const { launches } = backend;
    const { limits } = launches;
    const [outputShape, indexCount, sliceSize, allStrides] = backend_util.prepareAndValidate(x, indices);
    const depth = indices.shape.at(-1)!;
    const strides = allStrides.slice(0, depth);
    const dimSize = sizeOf(x.shape) / sliceSize;
    const size = sizeOf(outputShape);
    if (depth === 0 || size === 0 || size >= limits.size) return undefined;
    checkIndices(backend, { indices, strides, slices: dimSize }, (index) => {
      throw new RangeError(`Invalid indices: ${index.join()} does not index into ${x.shape.join()}`);
    });
    const positions = depth > limits.indexAxes ? flatIndices(backend, indices, strides) : indices;
    if (!positions) return undefined;
    const output = makeTensor(backend, outputShape, x.dtype, backend.elementStorageOf(x.dataId));
    launches.gather(backend, {
      x,
      indices: positions,
      output,
      strides: positions === indices ? strides : [1],
      batchSize: 1,
      outerSize: 1,
      dimSize,
      indexCount,
      sliceSize,
    });
    if (positions !== indices) backend.disposeIntermediateTensorInfo(positions);
    return output;
  },
);

export const gatherKernels: readonly TfjsKernel[] = [gather, gatherNd];
