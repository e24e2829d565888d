import { paramsTable } from '@attention-js/backend-common';
import type { ArgReduceLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'argReduce',
  ['x', 'output'],
  paramsTable('ArgReduceParams', { rows: 'int64', length: 'int64', smallest: 'bool' }),
);

export function argReduce(
  backend: CudaBackend,
  { x, output, rows, length, smallest }: ArgReduceLaunch,
): void {
  backend.run(launcher, { x, output }, { rows, length, smallest });
}
