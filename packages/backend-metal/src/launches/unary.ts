import { paramsTable } from '@attention-js/backend-common';
import type { UnaryLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { computeType, elementTypeOf } from './element_type.ts';

const ELEMENTS_PER_THREAD = 8;

const kernel = shaderKernel(
  'unary',
  ['x', 'output'],
  paramsTable('UnaryParams', { size: 'uint32', alpha: 'float32', beta: 'float32' }),
);

export function unary(backend: MetalBackend, { operation, x, output, size, alpha, beta }: UnaryLaunch): void {
  backend.run(
    kernel,
    { x, output },
    { size, alpha, beta },
    {
      variant: computeType(x),
      constants: {
        operation,
        x_type: elementTypeOf(backend, x),
        output_type: elementTypeOf(backend, output),
      },
      ...stridedGrid(size, ELEMENTS_PER_THREAD),
    },
  );
}
