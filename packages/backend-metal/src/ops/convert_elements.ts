import { sizeOf } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { PACK, stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint64 } from '../params.ts';

/** Runs `shader` on two tensors of one shape, `buffers`, whose functions are named `shader_from_to`. */
export function convertElements(
  backend: MetalBackend,
  shader: string,
  { from, to, buffers }: { from: TensorInfo; to: TensorInfo; buffers: TensorInfo[] },
): void {
  const count = sizeOf(from.shape);
  backend.dispatch({
    shader,
    function: `${shader}_${backend.mslType(from)}_${backend.mslType(to)}`,
    buffers,
    params: [uint64(count)],
    ...stridedGrid(Math.ceil(count / PACK), 2),
  });
}
