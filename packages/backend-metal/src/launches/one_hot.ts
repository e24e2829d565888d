import type { OneHotLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, uint32 } from '../params.ts';
import { elementType } from './element_type.ts';

export function oneHot(
  backend: MetalBackend,
  { indices, output, count, depth, onValue, offValue }: OneHotLaunch,
): void {
  backend.dispatch({
    shader: 'one_hot',
    function: 'one_hot',
    constants: { output_type: elementType(backend, output) },
    buffers: [indices, output],
    params: [uint32(depth), uint32(count * depth), float32(onValue), float32(offValue)],
    ...stridedGrid(count * depth, 8),
  });
}
