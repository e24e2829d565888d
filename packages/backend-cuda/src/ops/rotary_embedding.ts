import { paramsTable } from '@attention-js/backend-common';
import { rotaryEmbeddingOp } from '@attention-js/core';
import { cudaKernel } from '../cuda_backend.ts';
import { operation } from '../operation.ts';

const rotaryEmbedding = operation(
  'rotaryEmbedding',
  ['query', 'key', 'positions', 'cos', 'sin', 'rotatedQuery', 'rotatedKey'],
  paramsTable('RotaryEmbeddingParams', {
    tokens: 'int32',
    heads: 'int32',
    kvHeads: 'int32',
    headSize: 'int32',
    rotaryDim: 'int32',
    maxPosition: 'int32',
    interleaved: 'bool',
  }),
);

cudaKernel(rotaryEmbeddingOp, ({ inputs, attrs: { interleaved, rotaryDim }, outputs, backend }) => {
  const { query, key, positions, cos, sin } = inputs;
  const [rotatedQuery, rotatedKey] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, heads, headSize] = query.shape;
  const [maxPosition] = cos.shape;
  backend.run(
    rotaryEmbedding,
    { query, key, positions, cos, sin, rotatedQuery, rotatedKey },
    { tokens, heads, kvHeads: key.shape[1], headSize, rotaryDim, maxPosition, interleaved },
  );
  return [rotatedQuery, rotatedKey];
});
