import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { assignStorageOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const assignStorage = operation(
  'assignStorage',
  ['source', 'destination'],
  paramsTable('AssignStorageParams', { size: 'int64' }),
);

cudaKernel(assignStorageOp, ({ inputs: { destination, source }, backend }) => {
  backend.run(assignStorage, { source, destination }, { size: sizeOf(source.shape) });
  return [];
});
