import type { TopKLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { elementType } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

/** The shader passes over a row once for each of the k; beyond this the CPU sorts. */
export const MAX_K = 64;

export function topK(backend: MetalBackend, { x, values, indices, rows, length, k }: TopKLaunch): void {
  backend.dispatch({
    shader: 'top_k',
    function: 'top_k',
    constants: { x_type: elementType(backend, x) },
    buffers: [x, values, indices],
    params: [uint32(length), uint32(k)],
    threadgroups: [rows, 1, 1],
    threads: [groupThreads(length), 1, 1],
  });
}
