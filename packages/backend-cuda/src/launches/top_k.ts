import { paramsTable } from '@attention-js/backend-common';
import type { TopKLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

/** As in top_k.cu. */
export const MAX_K = 4096;

const launcher = operation(
  'topK',
  ['x', 'values', 'indices'],
  paramsTable('TopKParams', { rows: 'int64', length: 'int64', k: 'int32' }),
);

export function topK(backend: CudaBackend, { x, values, indices, rows, length, k }: TopKLaunch): void {
  backend.run(launcher, { x, values, indices }, { rows, length, k });
}
