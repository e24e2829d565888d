import type { SoftmaxLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { elementType } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

export function softmax(backend: MetalBackend, { x, output, rows, length }: SoftmaxLaunch): void {
  backend.dispatch({
    shader: 'softmax',
    function: 'softmax',
    constants: { x_type: elementType(backend, x), output_type: elementType(backend, output) },
    buffers: [x, output],
    params: [uint32(length)],
    threadgroups: [rows, 1, 1],
    threads: [groupThreads(length), 1, 1],
  });
}
