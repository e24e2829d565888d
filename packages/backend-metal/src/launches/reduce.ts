import { paramsTable } from '@attention-js/backend-common';
import type { ReduceLaunch } from '@attention-js/backend-common';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { computeType, elementTypeOf } from './element_type.ts';
import { groupThreads } from './group_threads.ts';

/** Slices up to this length are reduced by one thread each. */
const SHORT_SLICE = 64;

/** With this many outputs, one thread per output fills the device. */
const MANY_OUTPUTS = 4096;

const table = paramsTable('ReduceParams', {
  outputStrides: 'int64[6]',
  reduceStrides: 'int64[6]',
  outputShape: 'uint32[6]',
  reduceShape: 'uint32[6]',
  outputRank: 'uint32',
  reduceRank: 'uint32',
  outputSize: 'uint32',
  reduceSize: 'uint32',
});
const [reduceThreads, reduceGroups] = ['reduce_threads', 'reduce_groups'].map((name) =>
  shaderKernel({ shader: 'reduce', function: name }, ['x', 'output'], table),
);

export function reduce(
  backend: MetalBackend,
  { operation, x, output, kept, reduced, outputSize, reduceSize }: ReduceLaunch,
): void {
  const isInnermost = reduced.strides[0].at(-1) === 1;
  const byThread = reduceSize <= SHORT_SLICE || (!isInnermost && outputSize >= MANY_OUTPUTS);
  backend.run(
    byThread ? reduceThreads : reduceGroups,
    { x, output },
    {
      outputStrides: kept.strides[0],
      reduceStrides: reduced.strides[0],
      outputShape: kept.shape,
      reduceShape: reduced.shape,
      outputRank: kept.shape.length,
      reduceRank: reduced.shape.length,
      outputSize,
      reduceSize,
    },
    {
      variant: computeType(output),
      constants: {
        operation,
        x_type: elementTypeOf(backend, x),
        output_type: elementTypeOf(backend, output),
      },
      ...(byThread
        ? stridedGrid(outputSize, Math.max(1, Math.floor(SHORT_SLICE / reduceSize)))
        : { threadgroups: [outputSize, 1, 1] as const, threads: [groupThreads(reduceSize), 1, 1] as const }),
    },
  );
}
