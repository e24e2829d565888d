import type { CumulateLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function cumulate(
  backend: CudaBackend,
  { x, output, rows, length, product, exclusive, reverse }: CumulateLaunch,
): void {
  backend.run('cumulate', [x, output, rows, length, product, exclusive, reverse]);
}
