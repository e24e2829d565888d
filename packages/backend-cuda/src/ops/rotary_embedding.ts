import { rotaryEmbeddingOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_kernel.ts';

cudaKernel(rotaryEmbeddingOp, ({ inputs, attrs: { interleaved, rotaryDim }, outputs, backend }) => {
  const { query, key, positions, cos, sin } = inputs;
  const [rotatedQuery, rotatedKey] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, heads, headSize] = query.shape;
  const tensors = [query, key, positions, cos, sin, rotatedQuery, rotatedKey];
  const sizes = [tokens, heads, key.shape[1], headSize, rotaryDim, cos.shape[0]];
  backend.run('rotaryEmbedding', [...tensors, ...sizes, interleaved]);
  return [rotatedQuery, rotatedKey];
});
