import { sampleTokensOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

const SIMD_WIDTH = 32;
const MAX_SIMDGROUPS = 16;
const TOKENS_PER_THREAD = 16;

metalKernel(sampleTokensOp, ({ inputs: { logits, parameters }, outputs: [spec], backend }) => {
  const output = backend.makeOutput(spec);
  const [rows, vocabulary] = logits.shape;
  const simdgroups = Math.min(MAX_SIMDGROUPS, Math.ceil(vocabulary / (SIMD_WIDTH * TOKENS_PER_THREAD)));
  backend.dispatch({
    shader: 'sample_tokens',
    function: `sample_tokens_${backend.mslType(logits)}`,
    buffers: [logits, parameters, output],
    params: [rows, vocabulary].map(uint32),
    threadgroups: [rows, 1, 1],
    threads: [simdgroups * SIMD_WIDTH, 1, 1],
  });
  return [output];
});
