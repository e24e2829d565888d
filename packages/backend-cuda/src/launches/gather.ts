import { paramsTable } from '@attention-js/backend-common';
import type { GatherLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { AXES } from './axes.ts';

const launcher = operation(
  'gather',
  ['x', 'indices', 'output'],
  paramsTable('GatherParams', {
    indexRank: 'int32',
    strides: AXES,
    batch: 'int64',
    outer: 'int64',
    axisLength: 'int64',
    indexCount: 'int64',
    sliceLength: 'int64',
  }),
);

export function gather(backend: CudaBackend, launch: GatherLaunch): void {
  const { x, indices, output, strides } = launch;
  backend.run(
    launcher,
    { x, indices, output },
    {
      indexRank: strides.length,
      strides,
      batch: launch.batchSize,
      outer: launch.outerSize,
      axisLength: launch.dimSize,
      indexCount: launch.indexCount,
      sliceLength: launch.sliceSize,
    },
  );
}
