import { paramsTable } from '@attention-js/backend-common';
import type { SoftmaxLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { elementTypeOf } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

const kernel = shaderKernel('softmax', ['x', 'output'], paramsTable('SoftmaxParams', { length: 'uint32' }));

export function softmax(backend: MetalBackend, { x, output, rows, length }: SoftmaxLaunch): void {
  backend.run(
    kernel,
    { x, output },
    { length },
    {
      constants: { x_type: elementTypeOf(backend, x), output_type: elementTypeOf(backend, output) },
      threadgroups: [rows, 1, 1],
      threads: [groupThreads(length), 1, 1],
    },
  );
}
