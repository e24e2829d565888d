import { backend_util, util } from '@tensorflow/tfjs-core';
import type { GatherV2Attrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { tfjsKernel } from '../tfjs_kernel.ts';
import { elementBytes, haveType, makeTensor } from './element_type.ts';
import type { NumericType } from './element_type.ts';
import { MAX_SIZE } from './strides.ts';

/** Throws for an index outside the axis where the indices can be read without waiting for the device. */
function checkIndices(backend: MetalBackend, indices: TensorInfo, length: number): void {
  if (backend.isPending(indices)) return;
  for (const index of backend.data.get(indices.dataId).values as Int32Array) {
    if (index < 0 || index >= length) {
      throw new RangeError(`GatherV2: the index value ${index} is not in [0, ${length - 1}]`);
    }
  }
}

tfjsKernel<{ x: TensorInfo; indices: TensorInfo }, GatherV2Attrs>(
  'GatherV2',
  ({ inputs: { x, indices }, attrs, backend }) => {
    if (!haveType([x], 'float32', 'int32', 'bool') || !haveType([indices], 'int32')) return undefined;
    const [axis] = util.parseAxisParam(attrs.axis, x.shape);
    checkIndices(backend, indices, x.shape[axis]);
    const collected = backend_util.segment_util.collectGatherOpShapeInfo(
      x,
      indices,
      axis,
      attrs.batchDims ?? 0,
    );
    const { batchSize, outerSize, dimSize, sliceSize, outputShape } = collected;
    const size = sizeOf(outputShape);
    if (size >= MAX_SIZE) return undefined;
    const output = makeTensor(backend, outputShape, x.dtype as NumericType, backend.storageOf(x.dataId));
    backend.dispatch({
      shader: 'gather',
      function: `gather_${elementBytes(backend, x)}`,
      buffers: [x, indices, output],
      params: [outerSize, dimSize, sizeOf(indices.shape) / batchSize, sliceSize, size].map(uint32),
      ...stridedGrid(size, 8),
    });
    return output;
  },
);
