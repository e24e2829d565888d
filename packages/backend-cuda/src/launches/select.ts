import type { SelectLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

export function select(backend: CudaBackend, { condition, t, e, output, size, repeats }: SelectLaunch): void {
  backend.run('select', [condition, t, e, output, size, repeats]);
}
