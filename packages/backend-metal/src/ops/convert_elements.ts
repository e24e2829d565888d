import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { PACK, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';

/** Parameters of kernels that convert elements, one per pair of types. */
export const convertElementsParams = paramsTable('ConvertElementsParams', { count: 'uint64' });

/** Parameters and launch of such a kernel for tensors of the same shape. */
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
