import { paramsTable } from '@attention-js/backend-common';
import type { OneHotLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementTypeOf } from './element_type.ts';

const kernel = shaderKernel(
  'one_hot',
  ['indices', 'output'],
  paramsTable('OneHotParams', { depth: 'uint32', size: 'uint32', on: 'float32', off: 'float32' }),
);

export function oneHot(
  backend: MetalBackend,
  { indices, output, count, depth, onValue, offValue }: OneHotLaunch,
): void {
  const size = count * depth;
  backend.run(
    kernel,
    { indices, output },
    { depth, size, on: onValue, off: offValue },
    { constants: { output_type: elementTypeOf(backend, output) }, ...stridedGrid(size, 8) },
  );
}
