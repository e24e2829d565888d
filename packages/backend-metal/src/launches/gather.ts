import { sizeOf } from '@attention-js/backend-common';
import type { GatherLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { elementBytes } from './element_type.ts';

export function gather(
  backend: MetalBackend,
  { x, indices, output, outerSize, dimSize, indexCount, sliceSize }: GatherLaunch,
): void {
  const size = sizeOf(output.shape);
  backend.dispatch({
    shader: 'gather',
    function: `gather_${elementBytes(backend, x)}`,
    buffers: [x, indices, output],
    params: [outerSize, dimSize, indexCount, sliceSize, size].map(uint32),
    ...stridedGrid(size, 8),
  });
}
