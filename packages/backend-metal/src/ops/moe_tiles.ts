import { paramsTable } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, elementStorageOf } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

// As in moe_tiles.h and moe_gemm.h.
const TILE_ROWS = 32;
const TILE_INTS = 3;
const TILE_COLUMNS = 64;
const TILE_THREADS = 128;
const ROWS_PER_SIMDGROUP = 4;
const ROWS_SIMDGROUPS = 2;

const SIMD_WIDTH = 32;
const MAX_PLANNERS = 256;

const kernel = shaderKernel(
  'moe_tiles',
  ['expertIds', 'tiles'],
  paramsTable('MoeTilesParams', { pairs: 'uint32', experts: 'uint32', tiles: 'uint32' }),
);

/**
 * Whether there are so few pairs per expert that nearly empty tiles would be slower than the kernels that work row by
 * row.
 */
export function useRowKernels(pairs: number, numExperts: number): boolean {
  return pairs <= 16 || pairs <= 2 * numExperts;
}

/** Whether rows of `length` elements in the storage type of `x` are a multiple of 16 bytes. */
export function isAligned(x: TensorInfo, length: number): boolean {
  return (length * BYTES_PER_ELEMENT[elementStorageOf(x)]) % 16 === 0;
}

/** Grid of the row kernels: `count` rows of `columns` elements. */
export function rowsGrid(columns: number, count: number) {
  return {
    threadgroups: [Math.ceil(columns / (ROWS_PER_SIMDGROUP * ROWS_SIMDGROUPS)), count, 1],
    threads: [ROWS_SIMDGROUPS * SIMD_WIDTH, 1, 1],
  } as const;
}

/** Grid of the tiled kernels, whose output rows have `columns` elements. */
export function tilesGrid(columns: number, tiles: TensorInfo) {
  return {
    threadgroups: [Math.ceil(columns / TILE_COLUMNS), tiles.shape[0], 1],
    threads: [TILE_THREADS, 1, 1],
  } as const;
}

/** Divides sorted pairs into tiles of one expert each, on the device. The caller disposes the tiles. */
export function makeTiles(backend: MetalBackend, expertIds: TensorInfo, numExperts: number): TensorInfo {
  const [pairs] = expertIds.shape;
  // Each expert, and the pairs without one, may end with a partial tile.
  const count = Math.floor(pairs / TILE_ROWS) + Math.min(pairs, numExperts + 1);
  const tiles = backend.makeOutput({ shape: [count, TILE_INTS], dtype: 'int32' });
  const planners = Math.min(MAX_PLANNERS, Math.ceil((numExperts + 1) / SIMD_WIDTH) * SIMD_WIDTH);
  backend.run(
    kernel,
    { expertIds, tiles },
    { pairs, experts: numExperts, tiles: count },
    {
      threadgroups: [pairs === 0 ? 0 : 1, 1, 1],
      threads: [planners, 1, 1],
    },
  );
  return tiles;
}
