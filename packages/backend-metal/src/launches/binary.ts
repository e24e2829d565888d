import type { BinaryLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { computeType, elementType } from './element_type.ts';
import { shapeParams, strideParams } from './walk_params.ts';

const ELEMENTS_PER_THREAD = 8;

export function binary(backend: MetalBackend, { operation, a, b, output, size, walk }: BinaryLaunch): void {
  const isContiguous = walk.strides.every((own) => own.length === 0 || (own.length === 1 && own[0] === 1));
  backend.dispatch({
    shader: 'binary',
    function: `binary_${computeType(a)}`,
    constants: {
      operation,
      a_type: elementType(backend, a),
      b_type: elementType(backend, b),
      output_type: elementType(backend, output),
      contiguous: isContiguous,
    },
    buffers: [a, b, output],
    params: [
      ...walk.strides.flatMap((own) => strideParams(own)),
      ...shapeParams(walk.shape),
      uint32(walk.shape.length),
      uint32(size),
    ],
    ...stridedGrid(size, ELEMENTS_PER_THREAD),
  });
}
