import type { ArgReduceLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function argReduce(
  backend: CudaBackend,
  { x, output, rows, length, smallest }: ArgReduceLaunch,
): void {
  backend.run('argReduce', [x, output, rows, length, smallest]);
}
