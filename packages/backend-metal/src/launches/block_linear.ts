import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';

// As in block_linear.metal.
const TILE = 64;
const VECTOR_SIMDGROUPS = 2;
const ROW_BLOCK = 4;
const COLUMN_BLOCK = 4;

/** The most rows for the kernel that reads the weight once per four rows. */
const MAX_VECTOR_ROWS = 8;

const table = paramsTable('BlockLinearParams', { rows: 'uint32', columns: 'uint32', depth: 'uint32' });
const [tiles, vectors] = ['block_linear_tiles', 'block_linear_rows'].map((name) =>
  shaderKernel({ shader: 'block_linear', function: name }, ['x', 'weight', 'bias?', 'output'], table),
);

/** `output = x · weightᵀ + bias` for a weight in a block type. */
export function blockLinear(
  backend: MetalBackend,
  tensors: { x: TensorInfo; weight: TensorInfo; bias: TensorInfo | undefined; output: TensorInfo },
): void {
  const { x, weight, bias } = tensors;
  const [columns, depth] = weight.shape;
  const rows = sizeOf(x.shape.slice(0, -1));
  const areMany = rows > MAX_VECTOR_ROWS;
  const [width, height] = areMany ? [TILE, TILE] : [VECTOR_SIMDGROUPS * COLUMN_BLOCK, ROW_BLOCK];
  backend.run(
    areMany ? tiles : vectors,
    tensors,
    { rows, columns, depth },
    {
      variant: `${backend.storageOf(weight.dataId)}_${backend.mslType(x)}`,
      constants: { has_bias: bias !== undefined },
      threadgroups: [Math.ceil(columns / width), Math.ceil(rows / height), 1],
      threads: [areMany ? 128 : 32 * VECTOR_SIMDGROUPS, 1, 1],
    },
  );
}
