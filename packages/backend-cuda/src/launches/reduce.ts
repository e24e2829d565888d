import type { ReduceLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { walkArguments } from './walk_arguments.ts';

export function reduce(backend: CudaBackend, { operation, x, output, kept, reduced }: ReduceLaunch): void {
  backend.run('reduce', [operation, x, output, ...walkArguments(kept), ...walkArguments(reduced)]);
}
