import { paramsTable } from '@attention-js/backend-common';
import type { ArgReduceLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementTypeOf } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

const kernel = shaderKernel(
  'arg_reduce',
  ['x', 'output'],
  paramsTable('ArgReduceParams', { length: 'uint32' }),
);

export function argReduce(
  backend: MetalBackend,
  { x, output, rows, length, smallest }: ArgReduceLaunch,
): void {
  backend.run(
    kernel,
    { x, output },
    { length },
    {
      constants: { x_type: elementTypeOf(backend, x), smallest },
      threadgroups: [rows, 1, 1],
      threads: [groupThreads(length), 1, 1],
    },
  );
}
