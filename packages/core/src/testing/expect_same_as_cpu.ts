import * as tf from '@tensorflow/tfjs-core';
import { elementStorageOf } from '../storage/storage_backend.ts';
import { expectMatches } from './compare.ts';

/**
 * Runs `compute` on `cpu` and on the active backend, and expects the same tensors within the tolerance of their storage
 * types.
 */
export async function expectSameAsCpu(compute: () => tf.Tensor[]): Promise<void> {
  const backendName = tf.getBackend();
  await tf.setBackend('cpu');
  const references = compute().map((tensor) => ({
    values: tensor.dataSync(),
    shape: tensor.shape,
    storage: elementStorageOf(tensor),
  }));
  await tf.setBackend(backendName);
  const results = compute();
  references.forEach(({ values, shape, storage }, i) => expectMatches(results[i], values, shape, storage));
}
