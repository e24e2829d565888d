import type { FillLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';

const whole = (value: number): number => (Number.isFinite(value) ? value | 0 : 0);

export function fill(backend: CudaBackend, { output, size, start, step }: FillLaunch): void {
  backend.run('fill', [output, size, start, step, whole(start), whole(step)]);
}
