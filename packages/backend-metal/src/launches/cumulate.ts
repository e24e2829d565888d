import { paramsTable } from '@attention-js/backend-common';
import type { CumulateLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { computeType, elementTypeOf } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

const kernel = shaderKernel('cumulate', ['x', 'output'], paramsTable('CumulateParams', { length: 'uint32' }));

export function cumulate(
  backend: MetalBackend,
  { x, output, rows, length, product, exclusive, reverse }: CumulateLaunch,
): void {
  backend.run(
    kernel,
    { x, output },
    { length },
    {
      variant: computeType(x),
      constants: {
        x_type: elementTypeOf(backend, x),
        output_type: elementTypeOf(backend, output),
        product,
        exclusive,
        reversed: reverse,
      },
      threadgroups: [rows, 1, 1],
      threads: [groupThreads(length), 1, 1],
    },
  );
}
