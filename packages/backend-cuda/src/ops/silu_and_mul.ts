import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { siluAndMulOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const siluAndMul = operation(
  'siluAndMul',
  ['x', 'output'],
  paramsTable('GatedActivationParams', { rows: 'int64', width: 'int32' }),
);

cudaKernel(siluAndMulOp, ({ inputs: { x }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const width = spec.shape[spec.shape.length - 1];
  backend.run(siluAndMul, { x, output }, { rows: sizeOf(spec.shape.slice(0, -1)), width });
  return [output];
});
