import { paramsTable } from '@attention-js/backend-common';
import type { ScatterLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { AXES } from './axes.ts';

const launcher = operation(
  'scatter',
  ['tensor?', 'indices', 'updates', 'output'],
  paramsTable('ScatterParams', {
    indexRank: 'int32',
    strides: AXES,
    count: 'int64',
    sliceLength: 'int64',
    slices: 'int64',
  }),
);

export function scatter(
  backend: CudaBackend,
  { tensor, indices, updates, output, strides, count, sliceSize, slices }: ScatterLaunch,
): void {
  backend.run(
    launcher,
    { tensor, indices, updates, output },
    { indexRank: strides.length, strides, count, sliceLength: sliceSize, slices },
  );
}
