import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { geluAndMulOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const geluAndMul = operation(
  'geluAndMul',
  ['x', 'output'],
  paramsTable('GeluAndMulParams', { rows: 'int64', width: 'int32', tanhApproximation: 'bool' }),
);

cudaKernel(geluAndMulOp, ({ inputs: { x }, attrs: { approximate }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const rows = sizeOf(spec.shape.slice(0, -1));
  const width = spec.shape[spec.shape.length - 1];
  backend.run(geluAndMul, { x, output }, { rows, width, tanhApproximation: approximate === 'tanh' });
  return [output];
});
