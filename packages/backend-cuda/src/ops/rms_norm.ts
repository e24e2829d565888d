import { rmsNormOp } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(rmsNormOp, ({ inputs: { x, weight, residual }, attrs, outputs, backend }) => {
  const [normed, residualSum] = outputs.map((spec) => backend.makeOutput(spec));
  const rows = util.sizeFromShape(x.shape.slice(0, -1));
  const tensors = [x, weight, residual, normed, residualSum];
  backend.run('rmsNorm', [...tensors, rows, weight.shape[0], attrs.epsilon, attrs.addUnitOffset]);
  return residual ? [normed, residualSum] : [normed];
});
