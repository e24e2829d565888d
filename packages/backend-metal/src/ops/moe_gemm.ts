import { moeGemmOp } from '@attention-js/core';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';
import { goesByRows, isAligned, makeTiles, rowsGrid, tilesGrid } from './moe_tiles.ts';

metalKernel(moeGemmOp, ({ inputs, attrs: { topk, input }, outputs: [spec], backend }) => {
  const { x, weights, sortedTokenIds, expertIds, topkWeights } = inputs;
  const output = backend.makeOutput(spec);
  const [numExperts, outputWidth, inputWidth] = weights.shape;
  const [pairs] = sortedTokenIds.shape;
  const type = backend.mslType(x);
  const call = {
    shader: 'moe_gemm',
    constants: {
      aligned: isAligned(x, inputWidth),
      has_topk_weights: topkWeights !== undefined,
      by_position: false,
    },
    params: [pairs, numExperts, outputWidth, inputWidth, input === 'tokens' ? topk : 1].map(uint32),
  };
  if (goesByRows(pairs, numExperts)) {
    backend.dispatch({
      ...call,
      function: `moe_gemm_rows_${type}`,
      buffers: [x, weights, sortedTokenIds, expertIds, topkWeights, output],
      ...rowsGrid(outputWidth, pairs),
    });
    return [output];
  }
  const tiles = makeTiles(backend, expertIds, numExperts);
  backend.dispatch({
    ...call,
    function: `moe_gemm_${type}_${type}`,
    buffers: [x, weights, sortedTokenIds, tiles, topkWeights, output],
    ...tilesGrid(outputWidth, tiles),
  });
  backend.disposeIntermediateTensorInfo(tiles);
  return [output];
});
