import type { Tensor, TypedArray } from '@tensorflow/tfjs-core';
import { encodeStorageBytes } from '../storage/storage_bytes.ts';
import { tensorFromStorage } from '../storage/storage_functions.ts';
import type { StorageType } from '../storage/storage_types.ts';
import type { Random } from './random.ts';

/** A tensor of the given values in `storage`, and the rounded values. */
export function tensorOf(
  values: Float32Array,
  shape: number[],
  storage: StorageType,
): { tensor: Tensor; values: TypedArray } {
  const tensor = tensorFromStorage(encodeStorageBytes(values, storage), shape, storage);
  return { tensor, values: tensor.dataSync() };
}

/** A tensor of normally distributed numbers in `storage`, and the rounded values. */
export function randomTensor(
  random: Random,
  shape: number[],
  storage: StorageType = 'float32',
  scale = 1,
): { tensor: Tensor; values: TypedArray } {
  const size = shape.reduce((product, length) => product * length, 1);
  return tensorOf(random.normal(size, scale), shape, storage);
}
