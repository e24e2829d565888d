import { MoeActivation, paramsTable } from '@attention-js/backend-common';
import { fusedMoeOp, storageOf } from '@attention-js/core';
import type { FusedMoeInputs } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { metalKernel } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { moeGemmTiles } from './moe_gemm.ts';
import { useRowKernels, isAligned, makeTiles, rowsGrid, tilesGrid } from './moe_tiles.ts';
import { sortPairsByExpert } from './sort_tokens_by_expert.ts';

const table = paramsTable('FusedMoeParams', {
  tokens: 'uint32',
  topk: 'uint32',
  experts: 'uint32',
  hidden: 'uint32',
  intermediate: 'uint32',
});
const place = (name: string) => ({ shader: 'fused_moe', function: name });
const gateUpRows = shaderKernel(
  place('fused_moe_gate_up_rows'),
  ['x', 'weights', 'topkIds', 'output'],
  table,
);
const downRows = shaderKernel(
  place('fused_moe_down_rows'),
  ['x', 'weights', 'topkIds', 'topkWeights', 'output'],
  table,
);
const gateUpTiles = shaderKernel(
  place('fused_moe_gate_up'),
  ['x', 'weights', 'sortedTokenIds', 'tiles', 'output'],
  table,
);
const sumRows = shaderKernel(place('fused_moe_sum'), ['products', 'output'], table);

metalKernel(fusedMoeOp, ({ inputs, attrs: { activation }, outputs: [spec], backend }) => {
  const { x, downWeights, topkIds } = inputs;
  const output = backend.makeOutput(spec);
  const [tokens, topk] = topkIds.shape;
  const [experts, hidden, intermediate] = downWeights.shape;
  const pairs = tokens * topk;
  const sizes: Sizes = { tokens, topk, experts, hidden, intermediate };
  const activated = backend.makeOutput({
    shape: [pairs, intermediate],
    dtype: 'float32',
    storage: storageOf(x),
  });
  const run = useRowKernels(pairs, experts) ? runByRows : runByTiles;
  run(backend, inputs, MoeActivation[activation], sizes, activated, output);
  backend.disposeIntermediateTensorInfo(activated);
  return [output];
});

interface Sizes {
  tokens: number;
  topk: number;
  experts: number;
  hidden: number;
  intermediate: number;
}

/** For few pairs: two launches. */
function runByRows(
  backend: MetalBackend,
  { x, gateUpWeights, downWeights, topkWeights, topkIds }: FusedMoeInputs,
  activation: number,
  sizes: Sizes,
  activated: TensorInfo,
  output: TensorInfo,
): void {
  const { tokens, topk, hidden, intermediate } = sizes;
  const variant = backend.mslType(x);
  backend.run(gateUpRows, { x, weights: gateUpWeights, topkIds, output: activated }, sizes, {
    variant,
    constants: { aligned: isAligned(x, hidden), activation },
    ...rowsGrid(intermediate, tokens * topk),
  });
  backend.run(downRows, { x: activated, weights: downWeights, topkIds, topkWeights, output }, sizes, {
    variant,
    constants: { aligned: isAligned(x, intermediate), activation },
    ...rowsGrid(hidden, tokens),
  });
}

/** For many pairs: sorts them by expert, computes both products in tiles, then sums each token's rows. */
function runByTiles(
  backend: MetalBackend,
  { x, gateUpWeights, downWeights, topkWeights, topkIds }: FusedMoeInputs,
  activation: number,
  sizes: Sizes,
  activated: TensorInfo,
  output: TensorInfo,
): void {
  const { tokens, topk, experts, hidden, intermediate } = sizes;
  const pairs = tokens * topk;
  const variant = backend.mslType(x);
  const sortedTokenIds = backend.makeOutput({ shape: [pairs], dtype: 'int32' });
  const expertIds = backend.makeOutput({ shape: [pairs], dtype: 'int32' });
  sortPairsByExpert(backend, topkIds, experts, sortedTokenIds, expertIds);
  const tiles = makeTiles(backend, expertIds, experts);
  backend.run(gateUpTiles, { x, weights: gateUpWeights, sortedTokenIds, tiles, output: activated }, sizes, {
    variant,
    constants: { aligned: isAligned(x, hidden), activation },
    ...tilesGrid(2 * intermediate, tiles), // half of a tile's columns are gates, half ups
  });
  const products = backend.makeOutput({ shape: [pairs, hidden], dtype: 'float32' });
  backend.run(
    moeGemmTiles,
    { x: activated, weights: downWeights, sortedTokenIds, tiles, topkWeights, output: products },
    { pairs, experts, width: hidden, depth: intermediate, pairsPerRow: 1 },
    {
      variant: `${variant}_float`,
      constants: { aligned: isAligned(x, intermediate), has_topk_weights: true, by_position: true },
      ...tilesGrid(hidden, tiles),
    },
  );
  backend.run(sumRows, { products, output }, sizes, {
    variant,
    constants: { aligned: true, activation },
    ...stridedGrid(hidden, 4, tokens),
  });
  for (const temporary of [sortedTokenIds, expertIds, tiles, products]) {
    backend.disposeIntermediateTensorInfo(temporary);
  }
}
