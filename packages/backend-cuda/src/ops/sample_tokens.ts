import { paramsTable } from '@attention-js/backend-common';
import { sampleTokensOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const sampleTokens = operation(
  'sampleTokens',
  ['logits', 'parameters', 'output'],
  paramsTable('SampleTokensParams', { rows: 'int32', vocabulary: 'int32' }),
);

cudaKernel(sampleTokensOp, ({ inputs: { logits, parameters }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const [rows, vocabulary] = logits.shape;
  backend.run(sampleTokens, { logits, parameters, output }, { rows, vocabulary });
  return [output];
});
