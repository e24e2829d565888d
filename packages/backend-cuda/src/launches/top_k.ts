import type { TopKLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

/** As in top_k.h. */
export const MAX_K = 4096;

export function topK(backend: CudaBackend, { x, values, indices, rows, length, k }: TopKLaunch): void {
  backend.run('topK', [x, values, indices, rows, length, k]);
}
