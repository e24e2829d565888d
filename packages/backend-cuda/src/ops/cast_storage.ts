import { castStorageOp } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(castStorageOp, ({ inputs: { x }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  backend.run('castStorage', [x, output, util.sizeFromShape(x.shape)]);
  return [output];
});
