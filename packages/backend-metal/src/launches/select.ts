import type { SelectLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { computeType, elementType } from './element_type.ts';

export function select(
  backend: MetalBackend,
  { condition, t, e, output, size, repeats }: SelectLaunch,
): void {
  backend.dispatch({
    shader: 'select',
    function: `select_${computeType(t)}`,
    constants: {
      t_type: elementType(backend, t),
      e_type: elementType(backend, e),
      output_type: elementType(backend, output),
    },
    buffers: [condition, t, e, output],
    params: [uint32(size), uint32(repeats)],
    ...stridedGrid(size, 8),
  });
}
