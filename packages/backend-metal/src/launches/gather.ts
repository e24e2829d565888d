import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { GatherLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementBytes } from './element_type.ts';

const kernel = shaderKernel(
  'gather',
  ['x', 'indices', 'output'],
  paramsTable('GatherParams', {
    outer: 'uint32',
    axisLength: 'uint32',
    indexCount: 'uint32',
    sliceLength: 'uint32',
    size: 'uint32',
  }),
);

export function gather(
  backend: MetalBackend,
  { x, indices, output, outerSize, dimSize, indexCount, sliceSize }: GatherLaunch,
): void {
  const size = sizeOf(output.shape);
  backend.run(
    kernel,
    { x, indices, output },
    { outer: outerSize, axisLength: dimSize, indexCount, sliceLength: sliceSize, size },
    { variant: String(elementBytes(backend, x)), ...stridedGrid(size, 8) },
  );
}
