import { paramsTable, sizeOf } from '@attention-js/backend-common';
import type { ScatterLaunch } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { shaderKernel } from '../shader_kernel.ts';
import { copy } from './copy.ts';
import { computeType, elementTypeOf } from './element_type.ts';
import { fill } from './fill.ts';

const MAX_RUN = 2048; // keys sorted in threadgroup memory; as in scatter.metal
const THREADS = 256;
const MAX_CHUNKS = 1024;

const table = paramsTable('ScatterParams', {
  strides: 'uint64[6]',
  indexRank: 'uint32',
  count: 'uint32',
  slices: 'uint32',
  sliceLength: 'uint32',
  run: 'uint32',
});
const makeKeys = shaderKernel({ shader: 'scatter', function: 'scatter_keys' }, ['indices', 'keys'], table);
const scatterSlices = shaderKernel('scatter', ['keys', 'updates', 'output'], table);

const sortTable = paramsTable('SortParams', {
  run: 'uint32',
  pairs: 'uint32',
  size: 'uint32',
  stride: 'uint32',
});
const [sortStep, sortMerge] = ['scatter_sort_step', 'scatter_sort_merge'].map((name) =>
  shaderKernel({ shader: 'scatter', function: name }, ['keys'], sortTable),
);

export function scatter(backend: MetalBackend, launch: ScatterLaunch): void {
  const { tensor, indices, updates, output, strides, count, sliceSize, slices } = launch;
  const size = sizeOf(output.shape);
  if (tensor) {
    const walk = { shape: [size], strides: [[1], [1]] };
    copy(backend, { x: tensor, output, size, walk, xOffset: 0, outputOffset: 0 });
  } else {
    fill(backend, { output, size, start: 0, step: 0 });
  }
  if (count === 0) return;

  let numKeys = 2;
  while (numKeys < count) numKeys *= 2;
  const run = Math.min(numKeys, MAX_RUN);
  const keys = backend.makeOutput({ shape: [2 * numKeys], dtype: 'int32' }); // 64 bits each
  const params = { strides, indexRank: strides.length, count, slices, sliceLength: sliceSize, run };
  backend.run(makeKeys, { indices, keys }, params, {
    threadgroups: [numKeys / run, 1, 1],
    threads: [THREADS, 1, 1],
  });
  mergeRuns(backend, keys, numKeys, run);

  let width = 1;
  while (width < THREADS && width < sliceSize) width *= 2;
  const height = THREADS / width;
  const chunks = Math.min(Math.ceil(sliceSize / width), MAX_CHUNKS);
  backend.run(scatterSlices, { keys, updates, output }, params, {
    variant: computeType(output),
    constants: { output_type: elementTypeOf(backend, output), adds: tensor === undefined },
    threadgroups: [chunks, Math.ceil(count / height), 1],
    threads: [width, height, 1],
  });
  backend.disposeIntermediateTensorInfo(keys);
}

/** Sorts all keys, given that runs of `run` keys are sorted, alternately up and down. */
function mergeRuns(backend: MetalBackend, keys: TensorInfo, numKeys: number, run: number): void {
  const pairs = numKeys / 2;
  for (let size = 2 * run; size <= numKeys; size *= 2) {
    for (let stride = size / 2; stride >= run; stride /= 2) {
      backend.run(sortStep, { keys }, { run, pairs, size, stride }, stridedGrid(pairs, 1));
    }
    backend.run(
      sortMerge,
      { keys },
      { run, pairs, size, stride: 0 },
      {
        threadgroups: [numKeys / run, 1, 1],
        threads: [THREADS, 1, 1],
      },
    );
  }
}
