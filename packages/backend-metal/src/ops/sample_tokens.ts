import { paramsTable } from '@attention-js/backend-common';
import { sampleTokensOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const SIMD_WIDTH = 32;
const MAX_SIMDGROUPS = 16;
const TOKENS_PER_THREAD = 16;

const kernel = shaderKernel(
  'sample_tokens',
  ['logits', 'parameters', 'output'],
  paramsTable('SampleTokensParams', { rows: 'uint32', vocabulary: 'uint32' }),
);

metalKernel(sampleTokensOp, ({ inputs: { logits, parameters }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const [rows, vocabulary] = logits.shape;
  const simdgroups = Math.min(MAX_SIMDGROUPS, Math.ceil(vocabulary / (SIMD_WIDTH * TOKENS_PER_THREAD)));
  backend.run(
    kernel,
    { logits, parameters, output },
    { rows, vocabulary },
    {
      variant: backend.mslType(logits),
      threadgroups: [rows, 1, 1],
      threads: [simdgroups * SIMD_WIDTH, 1, 1],
    },
  );
  return [output];
});
