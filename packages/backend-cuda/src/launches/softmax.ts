import type { SoftmaxLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function softmax(backend: CudaBackend, { x, output, rows, length }: SoftmaxLaunch): void {
  backend.run('softmax', [x, output, rows, length]);
}
