import { sizeOf } from '@attention-js/backend-common';
import type { ScatterLaunch } from '@attention-js/backend-common';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { stridedGrid } from '../grid.ts';
import type { MetalBackend } from '../metal_backend.ts';
import { uint32 } from '../params.ts';
import { copy } from './copy.ts';
import { computeType, elementType } from './element_type.ts';
import { fill } from './fill.ts';
import { strideParams } from './walk_params.ts';

const LONGEST_RUN = 2048; // of keys, sorted in threadgroup memory; as in scatter.metal
const THREADS = 256;
const MAX_CHUNKS = 1024;

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
  const run = Math.min(numKeys, LONGEST_RUN);
  const keys = backend.makeOutput({ shape: [2 * numKeys], dtype: 'int32' }); // of 64 bits
  const params = [
    ...strideParams(strides),
    ...[strides.length, count, slices, sliceSize, run].map((value) => uint32(value)),
  ];
  backend.dispatch({
    shader: 'scatter',
    function: 'scatter_keys',
    buffers: [indices, keys],
    params,
    threadgroups: [numKeys / run, 1, 1],
    threads: [THREADS, 1, 1],
  });
  mergeRuns(backend, keys, numKeys, run);

  let width = 1;
  while (width < THREADS && width < sliceSize) width *= 2;
  const height = THREADS / width;
  const chunks = Math.min(Math.ceil(sliceSize / width), MAX_CHUNKS);
  backend.dispatch({
    shader: 'scatter',
    function: `scatter_${computeType(output)}`,
    constants: {
      output_type: elementType(backend, output),
      adds: tensor === undefined,
    },
    buffers: [keys, updates, output],
    params,
    threadgroups: [chunks, Math.ceil(count / height), 1],
    threads: [width, height, 1],
  });
  backend.disposeIntermediateTensorInfo(keys);
}

/** Sorts all keys, which are sorted in runs that alternate between up and down. */
function mergeRuns(backend: MetalBackend, keys: TensorInfo, numKeys: number, run: number): void {
  const pairs = numKeys / 2;
  for (let size = 2 * run; size <= numKeys; size *= 2) {
    for (let stride = size / 2; stride >= run; stride /= 2) {
      backend.dispatch({
        shader: 'scatter',
        function: 'scatter_sort_step',
        buffers: [keys],
        params: [run, pairs, size, stride].map(uint32),
        ...stridedGrid(pairs, 1),
      });
    }
    backend.dispatch({
      shader: 'scatter',
      function: 'scatter_sort_merge',
      buffers: [keys],
      params: [run, pairs, size, 0].map(uint32),
      threadgroups: [numKeys / run, 1, 1],
      threads: [THREADS, 1, 1],
    });
  }
}
