import { paramsTable, sizeOf } from '@attention-js/backend-common';
import { rmsNormOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const rmsNorm = operation(
  'rmsNorm',
  ['x', 'weight', 'residual?', 'normed', 'residualSum?'],
  paramsTable('RmsNormParams', { rows: 'int64', width: 'int32', epsilon: 'float32', addUnitOffset: 'bool' }),
);

cudaKernel(rmsNormOp, ({ inputs: { x, weight, residual }, attrs, outputs, backend }) => {
  const made = outputs.map((spec) => backend.makeOutput(spec));
  const [normed, residualSum] = made;
  const { epsilon, addUnitOffset } = attrs;
  const [width] = weight.shape;
  backend.run(
    rmsNorm,
    { x, weight, residual, normed, residualSum },
    { rows: sizeOf(x.shape.slice(0, -1)), width, epsilon, addUnitOffset },
  );
  return made;
});
