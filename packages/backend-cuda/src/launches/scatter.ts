import type { ScatterLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function scatter(backend: CudaBackend, launch: ScatterLaunch): void {
  const { tensor, indices, updates, output, strides, count, sliceSize, slices } = launch;
  backend.run('scatter', [
    tensor,
    indices,
    updates,
    output,
    Float64Array.from(strides),
    count,
    sliceSize,
    slices,
  ]);
}
