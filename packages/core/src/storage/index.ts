export {
  BLOCK_STORAGE_TYPES,
  BYTES_PER_ELEMENT,
  ELEMENT_STORAGE_TYPES,
  STORAGE_FORMATS,
  isBlockStorage,
  storageByteLength,
} from './storage_types.ts';
export type {
  BlockStorage,
  ElementStorage,
  StorageFormat,
  StorageMemory,
  StorageType,
} from './storage_types.ts';
export { decodeStorageBytes, encodeStorageBytes } from './storage_bytes.ts';
export { blockStorageError } from './block_storage_error.ts';
export { elementStorageOf, memoryInfo, storageOf } from './storage_backend.ts';
export type { DeviceMemoryInfo, StorageBackend } from './storage_backend.ts';
export { storageBytes, tensorFromStorage, zerosWithStorage } from './storage_functions.ts';
