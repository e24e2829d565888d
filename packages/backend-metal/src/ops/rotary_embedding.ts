import { paramsTable } from '@attention-js/backend-common';
import { rotaryEmbeddingOp } from '@attention-js/core';
import { isVectorized, PACK, stridedGrid } from '../grid.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

const kernel = shaderKernel(
  'rotary_embedding',
  ['query', 'key', 'positions', 'cosTable', 'sinTable', 'queryOutput', 'keyOutput'],
  paramsTable('RotaryEmbeddingParams', {
    numHeads: 'uint32',
    numKvHeads: 'uint32',
    headSize: 'uint32',
    rotaryDim: 'uint32',
    maxPosition: 'uint32',
  }),
);

metalKernel(rotaryEmbeddingOp, ({ inputs, attrs: { interleaved, rotaryDim }, outputs, backend }) => {
  const { query, key, positions, cos, sin } = inputs;
  const [queryOutput, keyOutput] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, numHeads, headSize] = query.shape;
  const numKvHeads = key.shape[1];
  const vectorized = isVectorized(headSize, rotaryDim / 2);
  const elements = (numHeads + numKvHeads) * (headSize - rotaryDim / 2); // a pair counts as one
  backend.run(
    kernel,
    { query, key, positions, cosTable: cos, sinTable: sin, queryOutput, keyOutput },
    { numHeads, numKvHeads, headSize, rotaryDim, maxPosition: cos.shape[0] },
    {
      variant: backend.mslType(query),
      constants: { interleaved, vectorized },
      ...stridedGrid(vectorized ? elements / PACK : elements, 4, tokens),
    },
  );
  return [queryOutput, keyOutput];
});
