export { BYTES_PER_ELEMENT, STORAGE_TYPES } from './storage_types.ts';
export type { StorageMemory, StorageType } from './storage_types.ts';
export { decodeStorageBytes, encodeStorageBytes } from './half_precision.ts';
export { memoryInfo, storageOf } from './storage_backend.ts';
export type { DeviceMemoryInfo, StorageBackend } from './storage_backend.ts';
export { storageBytes, tensorFromStorage, zerosWithStorage } from './storage_functions.ts';
