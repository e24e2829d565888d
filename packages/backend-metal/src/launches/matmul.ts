import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { MatMulLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementBytes } from './element_type.ts';

// As in matmul.metal.
export const MAX_BATCH_RANK = 4;
const TILE = 64;
const VECTOR_SIMDGROUPS = 2;
const ROW_BLOCK = 4;
const COLUMN_BLOCK = 4;

/** The most rows for the vector kernels, which read b once per four rows. */
const MAX_VECTOR_ROWS = 8;

const table = paramsTable('MatmulParams', {
  aBatchStrides: 'uint64[4]',
  bBatchStrides: 'uint64[4]',
  batchShape: 'uint32[4]',
  rows: 'uint32',
  columns: 'uint32',
  depth: 'uint32',
  biasStride: 'uint32',
  slope: 'float32',
});
const [tiles, dots, columnSums] = ['matmul_tiles', 'matmul_dots', 'matmul_columns'].map((name) =>
  shaderKernel({ shader: 'matmul', function: name }, ['a', 'b', 'bias?', 'output'], table),
);

function chooseKernel(rows: number, columns: number, batch: number, transposeB: boolean) {
  if (rows > MAX_VECTOR_ROWS) {
    return {
      kernel: tiles,
      threadgroups: [Math.ceil(columns / TILE), Math.ceil(rows / TILE), batch] as const,
      threads: [128, 1, 1] as const,
    };
  }
  const width = transposeB ? VECTOR_SIMDGROUPS * COLUMN_BLOCK : 32;
  return {
    kernel: transposeB ? dots : columnSums,
    threadgroups: [Math.ceil(columns / width), Math.ceil(rows / ROW_BLOCK), batch] as const,
    threads: [32 * VECTOR_SIMDGROUPS, 1, 1] as const,
  };
}

export function matMul(backend: MetalBackend, launch: MatMulLaunch): void {
  const { a, b, bias, output, batch, rows, columns, depth, transposeB } = launch;
  const pack = 16 / elementBytes(backend, output);
  const { kernel, ...grid } = chooseKernel(rows, columns, sizeOf(batch.shape), transposeB);
  // The shader uses all MAX_BATCH_RANK axes.
  const batchShape = Array.from({ length: MAX_BATCH_RANK }, (_, axis) => batch.shape[axis] ?? 1);
  const [aBatchStrides, bBatchStrides] = batch.strides;
  backend.run(
    kernel,
    { a, b, bias, output },
    {
      aBatchStrides,
      bBatchStrides,
      batchShape,
      rows,
      columns,
      depth,
      biasStride: launch.biasStride,
      slope: launch.slope,
    },
    {
      variant: backend.mslType(output),
      constants: {
        transpose_b: transposeB,
        has_bias: bias !== undefined,
        activation: launch.activation,
        aligned_a: depth % pack === 0,
        aligned_b: (transposeB ? depth : columns) % pack === 0,
      },
      ...grid,
    },
  );
}
