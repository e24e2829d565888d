import type { CumulateLaunch } from '@attention-js/backend-common';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { computeType, elementType } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

export function cumulate(
  backend: MetalBackend,
  { x, output, rows, length, product, exclusive, reverse }: CumulateLaunch,
): void {
  backend.dispatch({
    shader: 'cumulate',
    function: `cumulate_${computeType(x)}`,
    constants: {
      x_type: elementType(backend, x),
      output_type: elementType(backend, output),
      product,
      exclusive,
      reversed: reverse,
    },
    buffers: [x, output],
    params: [uint32(length)],
    threadgroups: [rows, 1, 1],
    threads: [groupThreads(length), 1, 1],
  });
}
