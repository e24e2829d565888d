import { paramsTable } from '@attention-js/backend-common';
import type { ReduceLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { AXES } from './axes.ts';

const launcher = operation(
  'reduce',
  ['x', 'output'],
  paramsTable('ReduceParams', {
    operation: 'int32',
    outputRank: 'int32',
    reduceRank: 'int32',
    outputShape: AXES,
    outputStrides: AXES,
    reduceShape: AXES,
    reduceStrides: AXES,
  }),
);

export function reduce(
  backend: CudaBackend,
  { operation: op, x, output, kept, reduced }: ReduceLaunch,
): void {
  backend.run(
    launcher,
    { x, output },
    {
      operation: op,
      outputRank: kept.shape.length,
      reduceRank: reduced.shape.length,
      outputShape: kept.shape,
      outputStrides: kept.strides[0],
      reduceShape: reduced.shape,
      reduceStrides: reduced.strides[0],
    },
  );
}
