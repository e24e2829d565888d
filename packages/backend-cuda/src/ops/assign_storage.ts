import { assignStorageOp } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(assignStorageOp, ({ inputs: { destination, source }, backend }) => {
  backend.run('assignStorage', [source, destination, util.sizeFromShape(source.shape)]);
  return [];
});
