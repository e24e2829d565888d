import { rotaryEmbeddingOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(rotaryEmbeddingOp, ({ inputs, attrs: { interleaved, rotaryDim }, outputs, backend }) => {
  const { query, key, positions, cos, sin } = inputs;
  const [rotatedQuery, rotatedKey] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, heads, headSize] = query.shape;
  backend.run('rotaryEmbedding', [
    ...[query, key, positions, cos, sin, rotatedQuery, rotatedKey],
    ...[tokens, heads, key.shape[1], headSize, rotaryDim, cos.shape[0], interleaved],
  ]);
  return [rotatedQuery, rotatedKey];
});
