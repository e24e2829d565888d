import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { PACK, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';

/** Of kernels that convert elements, one for each pair of types. */
export const convertElementsParams = paramsTable('ConvertElementsParams', { count: 'uint64' });

/** How such a kernel is run on tensors of one shape. */
export function convertLaunch(backend: MetalBackend, from: TensorInfo, to: TensorInfo) {
  const count = sizeOf(from.shape);
  return {
    params: { count },
    launch: {
      variant: `${backend.mslType(from)}_${backend.mslType(to)}`,
      ...stridedGrid(Math.ceil(count / PACK), 2),
    },
  };
}
