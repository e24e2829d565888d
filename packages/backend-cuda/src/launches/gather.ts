import type { GatherLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function gather(backend: CudaBackend, launch: GatherLaunch): void {
  const { x, indices, output, strides, batchSize, outerSize, dimSize, indexCount, sliceSize } = launch;
  backend.run('gather', [
    x,
    indices,
    output,
    Float64Array.from(strides),
    batchSize,
    outerSize,
    dimSize,
    indexCount,
    sliceSize,
  ]);
}
