import { fusedMoeOp, storageOf } from '@attention-js/core';
import type { FusedMoeAttributes, FusedMoeInputs } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { metalKernel } from '../metal_kernel.ts';
import { uint32 } from '../params.ts';
import { goesByRows, isAligned, makeTiles, rowsGrid, tilesGrid } from './moe_tiles.ts';
import { sortPairsByExpert } from './sort_tokens_by_expert.ts';

const ACTIVATIONS: readonly FusedMoeAttributes['activation'][] = ['silu', 'gelu', 'gelu_tanh'];

metalKernel(fusedMoeOp, ({ inputs, attrs: { activation }, outputs: [spec], backend }) => {
  const { x, downWeights, topkIds } = inputs;
  const output = backend.makeOutput(spec);
  const [tokens, topk] = topkIds.shape;
  const [numExperts, hidden, intermediate] = downWeights.shape;
  const pairs = tokens * topk;
  const sizes: Sizes = { tokens, topk, numExperts, hidden, intermediate };
  const activated = backend.makeOutput({
    shape: [pairs, intermediate],
    dtype: 'float32',
    storage: storageOf(x),
  });
  const run = goesByRows(pairs, numExperts) ? runByRows : runByTiles;
  run(backend, inputs, ACTIVATIONS.indexOf(activation), sizes, activated, output);
  backend.disposeIntermediateTensorInfo(activated);
  return [output];
});

interface Sizes {
  tokens: number;
  topk: number;
  numExperts: number;
  hidden: number;
  intermediate: number;
}

const toParams = ({ tokens, topk, numExperts, hidden, intermediate }: Sizes) =>
  [tokens, topk, numExperts, hidden, intermediate].map(uint32);

/** Few pairs: two dispatches. */
function runByRows(
  backend: MetalBackend,
  { x, gateUpWeights, downWeights, topkWeights, topkIds }: FusedMoeInputs,
  activation: number,
  sizes: Sizes,
  activated: TensorInfo,
  output: TensorInfo,
): void {
  const { tokens, topk, hidden, intermediate } = sizes;
  const type = backend.mslType(x);
  const call = { shader: 'fused_moe', params: toParams(sizes) };
  backend.dispatch({
    ...call,
    function: `fused_moe_gate_up_rows_${type}`,
    constants: { aligned: isAligned(x, hidden), activation },
    buffers: [x, gateUpWeights, topkIds, activated],
    ...rowsGrid(intermediate, tokens * topk),
  });
  backend.dispatch({
    ...call,
    function: `fused_moe_down_rows_${type}`,
    constants: { aligned: isAligned(x, intermediate), activation },
    buffers: [activated, downWeights, topkIds, topkWeights, output],
    ...rowsGrid(hidden, tokens),
  });
}

/** Many pairs: sorted by expert, both products by tiles, then the sums of each token's rows. */
function runByTiles(
  backend: MetalBackend,
  { x, gateUpWeights, downWeights, topkWeights, topkIds }: FusedMoeInputs,
  activation: number,
  sizes: Sizes,
  activated: TensorInfo,
  output: TensorInfo,
): void {
  const { tokens, topk, numExperts, hidden, intermediate } = sizes;
  const pairs = tokens * topk;
  const type = backend.mslType(x);
  const sortedTokenIds = backend.makeOutput({ shape: [pairs], dtype: 'int32' });
  const expertIds = backend.makeOutput({ shape: [pairs], dtype: 'int32' });
  sortPairsByExpert(backend, topkIds, numExperts, sortedTokenIds, expertIds);
  const tiles = makeTiles(backend, expertIds, numExperts);
  backend.dispatch({
    shader: 'fused_moe',
    function: `fused_moe_gate_up_${type}`,
    constants: { aligned: isAligned(x, hidden), activation },
    buffers: [x, gateUpWeights, sortedTokenIds, tiles, activated],
    params: toParams(sizes),
    ...tilesGrid(2 * intermediate, tiles), // half of a tile's columns are the gate's, half the up projection's
  });
  const products = backend.makeOutput({ shape: [pairs, hidden], dtype: 'float32' });
  backend.dispatch({
    shader: 'moe_gemm',
    function: `moe_gemm_${type}_float`,
    constants: { aligned: isAligned(x, intermediate), has_topk_weights: true, by_position: true },
    buffers: [activated, downWeights, sortedTokenIds, tiles, topkWeights, products],
    params: [pairs, numExperts, hidden, intermediate, 1].map(uint32),
    ...tilesGrid(hidden, tiles),
  });
  backend.dispatch({
    shader: 'fused_moe',
    function: `fused_moe_sum_${type}`,
    constants: { aligned: true, activation },
    buffers: [products, output],
    params: toParams(sizes),
    ...stridedGrid(hidden, 4, tokens),
  });
  for (const temporary of [sortedTokenIds, expertIds, tiles, products]) {
    backend.disposeIntermediateTensorInfo(temporary);
  }
}
