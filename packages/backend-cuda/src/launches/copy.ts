import { paramsTable } from '@attention-js/backend-common';
import type { CopyLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { AXES } from './axes.ts';

const launcher = operation(
  'copy',
  ['x', 'output'],
  paramsTable('CopyParams', {
    rank: 'int32',
    shape: AXES,
    xStrides: AXES,
    outputStrides: AXES,
    xOffset: 'int64',
    outputOffset: 'int64',
  }),
);

export function copy(
  backend: CudaBackend,
  { x, output, walk: { shape, strides }, xOffset, outputOffset }: CopyLaunch,
): void {
  backend.run(
    launcher,
    { x, output },
    { rank: shape.length, shape, xStrides: strides[0], outputStrides: strides[1], xOffset, outputOffset },
  );
}
