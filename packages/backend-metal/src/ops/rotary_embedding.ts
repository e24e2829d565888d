import { rotaryEmbeddingOp } from '@attention-js/core';
import { isVectorized, PACK, stridedGrid } from '../grid.ts';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';

metalKernel(rotaryEmbeddingOp, ({ inputs, attrs: { interleaved, rotaryDim }, outputs, backend }) => {
  const { query, key, positions, cos, sin } = inputs;
  const [rotatedQuery, rotatedKey] = outputs.map((spec) => backend.makeOutput(spec));
  const [tokens, heads, headSize] = query.shape;
  const kvHeads = key.shape[1];
  const vectorized = isVectorized(headSize, rotaryDim / 2);
  const elements = (heads + kvHeads) * (headSize - rotaryDim / 2); // a pair counts as one
  backend.dispatch({
    shader: 'rotary_embedding',
    function: `rotary_embedding_${backend.mslType(query)}`,
    constants: { interleaved, vectorized },
    buffers: [query, key, positions, cos, sin, rotatedQuery, rotatedKey],
    params: [heads, kvHeads, headSize, rotaryDim, cos.shape[0]].map(uint32),
    ...stridedGrid(vectorized ? elements / PACK : elements, 4, tokens),
  });
  return [rotatedQuery, rotatedKey];
});
