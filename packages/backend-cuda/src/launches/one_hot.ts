import type { OneHotLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function oneHot(
  backend: CudaBackend,
  { indices, output, count, depth, onValue, offValue }: OneHotLaunch,
): void {
  backend.run('oneHot', [indices, output, count, depth, onValue, offValue]);
}
