import type { UnaryLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function unary(backend: CudaBackend, { operation, x, output, size, alpha, beta }: UnaryLaunch): void {
  backend.run('unary', [operation, x, output, size, alpha, beta]);
}
