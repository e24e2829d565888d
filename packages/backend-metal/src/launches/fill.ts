import { paramsTable } from '@attention-js/backend-common';
import type { FillLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementTypeOf } from './element_type.ts';

const kernel = shaderKernel(
  'fill',
  ['output'],
  paramsTable('FillParams', {
    start: 'float32',
    step: 'float32',
    intStart: 'int32',
    intStep: 'int32',
    size: 'uint32',
  }),
);

export function fill(backend: MetalBackend, { output, size, start, step }: FillLaunch): void {
  backend.run(
    kernel,
    { output },
    { start, step, intStart: start | 0, intStep: step | 0, size }, // | 0 converts like an Int32Array
    { constants: { output_type: elementTypeOf(backend, output) }, ...stridedGrid(size, 16) },
  );
}
