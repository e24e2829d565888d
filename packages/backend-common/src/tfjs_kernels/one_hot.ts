import type { OneHotAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../shapes.ts';
import { haveType, isNumericType, makeTensor } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const oneHot = tfjsKernel<{ indices: TensorInfo }, OneHotAttrs>(
  'OneHot',
  ({ inputs: { indices }, attrs, backend }) => {
    const { depth, onValue, offValue, dtype } = attrs;
    const { launches } = backend;
    const shape = [...indices.shape, depth];
    const size = sizeOf(shape);
    if (!haveType([indices], 'int32') || !isNumericType(dtype) || size >= launches.limits.size)
      return undefined;
    const output = makeTensor(backend, shape, dtype);
    if (size > 0)
      launches.oneHot(backend, { indices, output, count: size / depth, depth, onValue, offValue });
    return output;
  },
);

export const oneHotKernels: readonly TfjsKernel[] = [oneHot];
