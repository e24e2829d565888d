import type { ReduceLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { computeType, elementType } from './element_type.ts';
import { groupThreads } from './group_threads.ts';
import { shapeParams, strideParams } from './walk_params.ts';

/** Slices up to this length are for one thread each. */
const SHORT_SLICE = 64;

/** So many outputs, and a thread for each fills the device. */
const MANY_OUTPUTS = 4096;

export function reduce(
  backend: MetalBackend,
  { operation, x, output, kept, reduced, outputSize, reduceSize }: ReduceLaunch,
): void {
  const isInnermost = reduced.strides[0].at(-1) === 1;
  const byThread = reduceSize <= SHORT_SLICE || (!isInnermost && outputSize >= MANY_OUTPUTS);
  backend.dispatch({
    shader: 'reduce',
    function: `${byThread ? 'reduce_threads' : 'reduce_groups'}_${computeType(output)}`,
    constants: {
      operation,
      x_type: elementType(backend, x),
      output_type: elementType(backend, output),
    },
    buffers: [x, output],
    params: [
      ...strideParams(kept.strides[0]),
      ...strideParams(reduced.strides[0]),
      ...shapeParams(kept.shape),
      ...shapeParams(reduced.shape),
      uint32(kept.shape.length),
      uint32(reduced.shape.length),
      uint32(outputSize),
      uint32(reduceSize),
    ],
    ...(byThread
      ? stridedGrid(outputSize, Math.max(1, Math.floor(SHORT_SLICE / reduceSize)))
      : { threadgroups: [outputSize, 1, 1] as const, threads: [groupThreads(reduceSize), 1, 1] as const }),
  });
}
