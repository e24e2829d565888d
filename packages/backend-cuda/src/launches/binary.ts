import { paramsTable } from '@attention-js/backend-common';
import type { BinaryLaunch } from '@attention-js/backend-common';
import type { CudaBackend } from '../cuda_backend.ts';
import { operation } from '../operation.ts';
import { AXES } from './axes.ts';

const launcher = operation(
  'binary',
  ['a', 'b', 'output'],
  paramsTable('BinaryParams', {
    operation: 'int32',
    rank: 'int32',
    shape: AXES,
    aStrides: AXES,
    bStrides: AXES,
  }),
);

export function binary(
  backend: CudaBackend,
  { operation: op, a, b, output, walk: { shape, strides } }: BinaryLaunch,
): void {
  backend.run(
    launcher,
    { a, b, output },
    { operation: op, rank: shape.length, shape, aStrides: strides[0], bStrides: strides[1] },
  );
}
