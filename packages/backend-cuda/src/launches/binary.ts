import type { BinaryLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { walkArguments } from './walk_arguments.ts';

export function binary(backend: CudaBackend, { operation, a, b, output, walk }: BinaryLaunch): void {
  backend.run('binary', [operation, a, b, output, ...walkArguments(walk)]);
}
