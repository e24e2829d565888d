import { paramsTable } from '@attention-js/backend-common';
import type { OneHotLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'oneHot',
  ['indices', 'output'],
  paramsTable('OneHotParams', { count: 'int64', depth: 'int64', on: 'float32', off: 'float32' }),
);

export function oneHot(
  backend: CudaBackend,
  { indices, output, count, depth, onValue, offValue }: OneHotLaunch,
): void {
  backend.run(launcher, { indices, output }, { count, depth, on: onValue, off: offValue });
}
