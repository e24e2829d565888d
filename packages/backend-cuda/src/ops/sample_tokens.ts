import { sampleTokensOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(sampleTokensOp, ({ inputs: { logits, parameters }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  backend.run('sampleTokens', [logits, parameters, output, ...logits.shape]);
  return [output];
});
