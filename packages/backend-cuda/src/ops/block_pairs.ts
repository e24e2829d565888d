import { sizeOf } from '@attention-js/backend-common';
import { BYTES_PER_ELEMENT, elementStorageOf } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';

/** Bytes per block of `cache`. */
export function blockBytes(cache: TensorInfo): number {
  return sizeOf(cache.shape.slice(1)) * BYTES_PER_ELEMENT[elementStorageOf(cache)];
}

/** Uploads `pairs` and calls `run` with them, unless there are none. */
export function withPairs(
  backend: CudaBackend,
  pairs: Int32Array,
  run: (uploaded: TensorInfo, numPairs: number) => void,
): void {
  if (pairs.length === 0) return;
  const uploaded = backend.makeTensorInfo([pairs.length], 'int32', pairs);
  run(uploaded, pairs.length / 2);
  backend.disposeIntermediateTensorInfo(uploaded);
}
