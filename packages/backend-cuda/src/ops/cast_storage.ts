import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { castStorageOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const castStorage = operation(
  'castStorage',
  ['x', 'output'],
  paramsTable('CastStorageParams', { size: 'int64' }),
);

cudaKernel(castStorageOp, ({ inputs: { x }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  backend.run(castStorage, { x, output }, { size: sizeOf(x.shape) });
  return [output];
});
