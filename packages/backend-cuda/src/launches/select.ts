import { paramsTable } from '@attention-js/backend-common';
import type { SelectLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const launcher = operation(
  'select',
  ['condition', 't', 'e', 'output'],
  paramsTable('SelectParams', { size: 'int64', rowLength: 'int64' }),
);

export function select(backend: CudaBackend, { condition, t, e, output, size, repeats }: SelectLaunch): void {
  backend.run(launcher, { condition, t, e, output }, { size, rowLength: repeats });
}
