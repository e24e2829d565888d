import { sizeOf } from '@attention-js/backend-common';
import type { MatMulLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, uint32 } from '../params.ts';
import { elementBytes } from './element_type.ts';
import { shapeParams, strideParams } from './walk_params.ts';

// As in matmul.metal.
export const MAX_BATCH_RANK = 4;
const TILE = 64;
const VECTOR_SIMDGROUPS = 2;
const ROW_BLOCK = 4;
const COLUMN_BLOCK = 4;

/** At most so many rows are multiplied as vectors: it reads b once for every four of them. */
const MAX_VECTOR_ROWS = 8;

function chooseKernel(rows: number, columns: number, batch: number, transposeB: boolean) {
  if (rows > MAX_VECTOR_ROWS) {
    return {
      kernel: 'matmul_tiles',
      threadgroups: [Math.ceil(columns / TILE), Math.ceil(rows / TILE), batch] as const,
      threads: [128, 1, 1] as const,
    };
  }
  const width = transposeB ? VECTOR_SIMDGROUPS * COLUMN_BLOCK : 32;
  return {
    kernel: transposeB ? 'matmul_dots' : 'matmul_columns',
    threadgroups: [Math.ceil(columns / width), Math.ceil(rows / ROW_BLOCK), batch] as const,
    threads: [32 * VECTOR_SIMDGROUPS, 1, 1] as const,
  };
}

export function matMul(backend: MetalBackend, launch: MatMulLaunch): void {
  const { a, b, bias, output, batch, rows, columns, depth, transposeB } = launch;
  const pack = 16 / elementBytes(backend, output);
  const { kernel, ...grid } = chooseKernel(rows, columns, sizeOf(batch.shape), transposeB);
  backend.dispatch({
    shader: 'matmul',
    function: `${kernel}_${backend.mslType(output)}`,
    constants: {
      transpose_b: transposeB,
      has_bias: bias !== undefined,
      activation: launch.activation,
      aligned_a: depth % pack === 0,
      aligned_b: (transposeB ? depth : columns) % pack === 0,
    },
    buffers: [a, b, bias, output],
    params: [
      ...batch.strides.flatMap((strides) => strideParams(strides, MAX_BATCH_RANK)),
      ...shapeParams(batch.shape, MAX_BATCH_RANK),
      uint32(rows),
      uint32(columns),
      uint32(depth),
      uint32(launch.biasStride),
      float32(launch.slope),
    ],
    ...grid,
  });
}
