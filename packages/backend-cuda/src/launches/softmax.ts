import { paramsTable } from '@attention-js/backend-common';
import type { SoftmaxLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'softmax',
  ['x', 'output'],
  paramsTable('SoftmaxParams', { rows: 'int64', length: 'int64' }),
);

export function softmax(backend: CudaBackend, { x, output, rows, length }: SoftmaxLaunch): void {
  backend.run(launcher, { x, output }, { rows, length });
}
