import { castStorage, storageOf } from '@attention-js/core';
import type { StorageType } from '@attention-js/core';
import type { Tensor } from '@tensorflow/tfjs-core';

/**
 * `x` in the model's storage type. tfjs's own ops keep half precision on the backends that have it, but give float32 on
 * `cpu`, and the ops of attention.js take tensors of one storage type.
 */
export function inStorage<T extends Tensor>(x: T, storage: StorageType): T {
  return storageOf(x) === storage ? x : (castStorage(x, storage) as T);
}
