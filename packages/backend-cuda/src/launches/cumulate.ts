import { paramsTable } from '@attention-js/backend-common';
import type { CumulateLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'cumulate',
  ['x', 'output'],
  paramsTable('CumulateParams', {
    rows: 'int64',
    length: 'int64',
    product: 'bool',
    exclusive: 'bool',
    reversed: 'bool',
  }),
);

export function cumulate(
  backend: CudaBackend,
  { x, output, rows, length, product, exclusive, reverse }: CumulateLaunch,
): void {
  backend.run(launcher, { x, output }, { rows, length, product, exclusive, reversed: reverse });
}
