import { paramsTable } from '@attention-js/backend-common';
import type { SelectLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { computeType, elementTypeOf } from './element_type.ts';

const kernel = shaderKernel(
  { shader: 'select', function: 'select_elements' },
  ['condition', 't', 'e', 'output'],
  paramsTable('SelectParams', { size: 'uint32', rowLength: 'uint32' }),
);

export function select(
  backend: MetalBackend,
  { condition, t, e, output, size, repeats }: SelectLaunch,
): void {
  backend.run(
    kernel,
    { condition, t, e, output },
    { size, rowLength: repeats },
    {
      variant: computeType(t),
      constants: {
        t_type: elementTypeOf(backend, t),
        e_type: elementTypeOf(backend, e),
        output_type: elementTypeOf(backend, output),
      },
      ...stridedGrid(size, 8),
    },
  );
}
