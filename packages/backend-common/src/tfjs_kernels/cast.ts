import type { CastAttrs, TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf } from '../shapes.ts';
import { converted } from './copy.ts';
import { isNumeric, isNumericType } from './tensors.ts';
import { tfjsKernel } from './tfjs_kernel.ts';
import type { TfjsKernel } from './tfjs_kernel.ts';

/**
 * tfjs's `cpu` kernel lets a cast to a wider dtype share its input's memory under another dtype. This one never does.
 */
const cast = tfjsKernel<{ x: TensorInfo }, CastAttrs>(
  'Cast',
  ({ inputs: { x }, attrs: { dtype }, backend }) => {
    if (!isNumeric(x) || !isNumericType(dtype) || sizeOf(x.shape) >= backend.launches.limits.size)
      return undefined;
    if (x.dtype !== dtype) return converted(backend, x, dtype);
    backend.incRef(x.dataId);
    return { dataId: x.dataId, shape: x.shape, dtype };
  },
);

export const castKernels: readonly TfjsKernel[] = [cast];
