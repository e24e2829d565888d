import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Checks } from '../checks.ts';
import { storageOf } from '../storage/storage_backend.ts';

/** `topkWeights` is float32 in dtype and storage, as `topkSoftmax` makes it. */
export function checkRoutingWeights(
  checks: Checks,
  topkWeights: TensorInfo,
  [tokens, topk]: readonly [number, number],
): void {
  checks.shape('topkWeights', topkWeights, [tokens, topk]);
  checks.dtype('topkWeights', topkWeights, 'float32');
  const storage = storageOf(topkWeights);
  checks.expect(storage === 'float32', 'ERR_DTYPE', 'topkWeights', 'storage float32', storage);
}
