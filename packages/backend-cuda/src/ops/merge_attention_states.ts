import { mergeAttentionStatesOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(mergeAttentionStatesOp, ({ inputs: { outputs: parts, lses }, outputs: specs, backend }) => {
  const [output, lse] = specs.map((spec) => backend.makeOutput(spec));
  const [count, tokens, heads, headSize] = parts.shape;
  backend.run('mergeAttentionStates', [parts, lses, output, lse, count, tokens * heads, heads, headSize]);
  return [output, lse];
});
