import { paramsTable } from '@attention-js/backend-common';
import type { TopKLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementTypeOf } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

/** The shader reads a row k times, so for larger k the CPU sorts. */
export const MAX_K = 64;

const kernel = shaderKernel(
  'top_k',
  ['x', 'values', 'indices'],
  paramsTable('TopKParams', { length: 'uint32', k: 'uint32' }),
);

export function topK(backend: MetalBackend, { x, values, indices, rows, length, k }: TopKLaunch): void {
  backend.run(
    kernel,
    { x, values, indices },
    { length, k },
    {
      constants: { x_type: elementTypeOf(backend, x) },
      threadgroups: [rows, 1, 1],
      threads: [groupThreads(length), 1, 1],
    },
  );
}
