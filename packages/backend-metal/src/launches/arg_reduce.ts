import type { ArgReduceLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { elementType } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

export function argReduce(
  backend: MetalBackend,
  { x, output, rows, length, smallest }: ArgReduceLaunch,
): void {
  backend.dispatch({
    shader: 'arg_reduce',
    function: 'arg_reduce',
    constants: { x_type: elementType(backend, x), smallest },
    buffers: [x, output],
    params: [uint32(length)],
    threadgroups: [rows, 1, 1],
    threads: [groupThreads(length), 1, 1],
  });
}
