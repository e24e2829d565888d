/**
 * How a backend stores the elements of a `float32` tensor. tfjs has no half precision and cannot be given a new dtype, so
 * `dtype` stays `float32` and the backend keeps the storage type separately, per data id.
 */
export type StorageType = 'float32' | 'float16' | 'bfloat16';

/** Bytes per element of each storage type. */
export const BYTES_PER_ELEMENT: Readonly<Record<StorageType, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
};

/** Every storage type. */
export const STORAGE_TYPES = Object.keys(BYTES_PER_ELEMENT) as readonly StorageType[];

/** The memory a tensor is created in: the device's own, or (for swapping) the host's. On `cpu` both are the same. */
export type StorageMemory = 'device' | 'host';
