import { paramsTable } from '@attention-js/backend-common';
import { moeGemmOp } from '@attention-js/core';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { useRowKernels, isAligned, makeTiles, rowsGrid, tilesGrid } from './moe_tiles.ts';

const table = paramsTable('MoeGemmParams', {
  pairs: 'uint32',
  experts: 'uint32',
  width: 'uint32',
  depth: 'uint32',
  pairsPerRow: 'uint32',
});
const moeGemmRows = shaderKernel(
  { shader: 'moe_gemm', function: 'moe_gemm_rows' },
  ['x', 'weights', 'sortedTokenIds', 'expertIds', 'topkWeights?', 'output'],
  table,
);
/** The tiled product, also used by fusedMoe. */
export const moeGemmTiles = shaderKernel(
  'moe_gemm',
  ['x', 'weights', 'sortedTokenIds', 'tiles', 'topkWeights?', 'output'],
  table,
);

metalKernel(moeGemmOp, ({ inputs, attrs: { topk, input }, outputs: [spec], backend }) => {
  const { x, weights, sortedTokenIds, expertIds, topkWeights } = inputs;
  const output = backend.makeOutput(spec);
  const [experts, width, depth] = weights.shape;
  const [pairs] = sortedTokenIds.shape;
  const type = backend.mslType(x);
  const constants = {
    aligned: isAligned(x, depth),
    has_topk_weights: topkWeights !== undefined,
    by_position: false,
  };
  const params = { pairs, experts, width, depth, pairsPerRow: input === 'tokens' ? topk : 1 };
  if (useRowKernels(pairs, experts)) {
    backend.run(moeGemmRows, { x, weights, sortedTokenIds, expertIds, topkWeights, output }, params, {
      variant: type,
      constants,
      ...rowsGrid(width, pairs),
    });
    return [output];
  }
  const tiles = makeTiles(backend, expertIds, experts);
  backend.run(moeGemmTiles, { x, weights, sortedTokenIds, tiles, topkWeights, output }, params, {
    variant: `${type}_${type}`,
    constants,
    ...tilesGrid(width, tiles),
  });
  backend.disposeIntermediateTensorInfo(tiles);
  return [output];
});
