import { paramsTable } from '@attention-js/backend-common';
import type { UnaryLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'unary',
  ['x', 'output'],
  paramsTable('UnaryParams', { operation: 'int32', size: 'int64', alpha: 'float32', beta: 'float32' }),
);

export function unary(
  backend: CudaBackend,
  { operation: op, x, output, size, alpha, beta }: UnaryLaunch,
): void {
  backend.run(launcher, { x, output }, { operation: op, size, alpha, beta });
}
