import type { UnaryLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { float32, uint32 } from '../params.ts';
import { computeType, elementType } from './element_type.ts';

const ELEMENTS_PER_THREAD = 8;

export function unary(backend: MetalBackend, { operation, x, output, size, alpha, beta }: UnaryLaunch): void {
  backend.dispatch({
    shader: 'unary',
    function: `unary_${computeType(x)}`,
    constants: {
      operation,
      x_type: elementType(backend, x),
      output_type: elementType(backend, output),
    },
    buffers: [x, output],
    params: [uint32(size), float32(alpha), float32(beta)],
    ...stridedGrid(size, ELEMENTS_PER_THREAD),
  });
}
