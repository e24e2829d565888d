import type { CopyLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32, uint64 } from '../params.ts';
import { computeType, elementBytes, elementType } from './element_type.ts';
import { shapeParams, strideParams } from './walk_params.ts';

const ELEMENTS_PER_THREAD = 8;

export function copy(
  backend: MetalBackend,
  { x, output, size, walk: { shape, strides }, xOffset, outputOffset }: CopyLaunch,
): void {
  const xType = elementType(backend, x);
  const outputType = elementType(backend, output);
  const compute = output.dtype === 'float32' ? 'float' : computeType(x);
  backend.dispatch({
    shader: 'copy',
    function: xType === outputType ? `copy_${elementBytes(backend, x)}` : `convert_${compute}`,
    constants: { x_type: xType, output_type: outputType },
    buffers: [x, output],
    params: [
      ...strides.flatMap((own) => strideParams(own)),
      uint64(xOffset),
      uint64(outputOffset),
      ...shapeParams(shape),
      uint32(shape.length),
      uint32(size),
    ],
    ...stridedGrid(size, ELEMENTS_PER_THREAD),
  });
}
