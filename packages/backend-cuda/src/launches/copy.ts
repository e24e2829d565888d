import type { CopyLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { walkArguments } from './walk_arguments.ts';

export function copy(backend: CudaBackend, { x, output, walk, xOffset, outputOffset }: CopyLaunch): void {
  backend.run('copy', [x, output, ...walkArguments(walk), xOffset, outputOffset]);
}
