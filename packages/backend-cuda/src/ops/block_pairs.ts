import { BYTES_PER_ELEMENT, storageOf } from '@attention-js/core';
import { util } from '@tensorflow/tfjs-core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend } from '../cuda_backend.ts';

/** Uploads `pairs` and runs `name`, which copies all of them among blocks of `caches`. */
export function copyBlockPairs(
  backend: CudaBackend,
  name: string,
  caches: TensorInfo[],
  pairs: Int32Array,
): void {
  if (pairs.length === 0) return;
  const [cache] = caches;
  const blockBytes = util.sizeFromShape(cache.shape.slice(1)) * BYTES_PER_ELEMENT[storageOf(cache)];
  const uploaded = backend.makeTensorInfo([pairs.length], 'int32', pairs);
  backend.run(name, [...caches, uploaded, pairs.length / 2, blockBytes]);
  backend.disposeIntermediateTensorInfo(uploaded);
}
