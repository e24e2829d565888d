import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { NumericType } from '../numeric_type.ts';
import { sizeOf } from '../shapes.ts';
import { haveOneNumericType, haveType, makeTensor, promotedStorage } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

const select = tfjsKernel<{ condition: TensorInfo; t: TensorInfo; e: TensorInfo }, object>(
  'Select',
  ({ inputs: { condition, t, e }, backend }) => {
    const { launches } = backend;
    const size = sizeOf(t.shape);
    const conditions = sizeOf(condition.shape);
    const isServed = haveType([condition], 'bool') && haveOneNumericType(t, e) && sizeOf(e.shape) === size;
    const decidesRows = conditions === size || (condition.shape.length === 1 && conditions === t.shape[0]);
    if (!isServed || !decidesRows || size >= launches.limits.size) return undefined;
    const output = makeTensor(backend, t.shape, t.dtype as NumericType, promotedStorage(backend, t, e));
    if (size > 0) launches.select(backend, { condition, t, e, output, size, repeats: size / conditions });
    return output;
  },
);

export const selectKernels: readonly TfjsKernel[] = [select];
