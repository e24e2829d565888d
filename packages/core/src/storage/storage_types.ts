/** Storage types that store each element separately. */
export type ElementStorage = 'float32' | 'float16' | 'bfloat16';

/**
 * Storage types of quantized weights, whose elements come in blocks along the last dimension: GGML's formats, byte for
 * byte as GGUF files hold them.
 */
export type BlockStorage = 'q4_0' | 'q5_0' | 'q8_0' | 'q4_k' | 'q5_k' | 'q6_k';

/**
 * How a backend stores the elements of a `float32` tensor. tfjs has no half precision and cannot be given a new dtype, so
 * `dtype` stays `float32` and the backend keeps the storage type separately, per data id.
 */
export type StorageType = ElementStorage | BlockStorage;

/** How a storage type lays out elements. */
export interface StorageFormat {
  /** Elements per block; 1 for types that store each element separately. */
  readonly blockLength: number;
  /** Bytes per block. */
  readonly blockBytes: number;
}

/** The layout of every storage type. */
export const STORAGE_FORMATS: Readonly<Record<StorageType, StorageFormat>> = {
  float32: { blockLength: 1, blockBytes: 4 },
  float16: { blockLength: 1, blockBytes: 2 },
  bfloat16: { blockLength: 1, blockBytes: 2 },
  q4_0: { blockLength: 32, blockBytes: 18 },
  q5_0: { blockLength: 32, blockBytes: 22 },
  q8_0: { blockLength: 32, blockBytes: 34 },
  q4_k: { blockLength: 256, blockBytes: 144 },
  q5_k: { blockLength: 256, blockBytes: 176 },
  q6_k: { blockLength: 256, blockBytes: 210 },
};

/** Bytes per element of the storage types that store each element separately. */
export const BYTES_PER_ELEMENT: Readonly<Record<ElementStorage, number>> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
};

/** Every storage type that stores each element separately. */
export const ELEMENT_STORAGE_TYPES = Object.keys(BYTES_PER_ELEMENT) as readonly ElementStorage[];

/** Every storage type of quantized weights. */
export const BLOCK_STORAGE_TYPES: readonly BlockStorage[] = ['q4_0', 'q5_0', 'q8_0', 'q4_k', 'q5_k', 'q6_k'];

/** Every storage type. */
export const STORAGE_TYPES: readonly StorageType[] = [...ELEMENT_STORAGE_TYPES, ...BLOCK_STORAGE_TYPES];

/** Whether `storage` holds elements in blocks. */
export function isBlockStorage(storage: StorageType): storage is BlockStorage {
  return STORAGE_FORMATS[storage].blockLength > 1;
}

/** Bytes of `size` elements in `storage`; `size` is a multiple of its block length. */
export function storageByteLength(storage: StorageType, size: number): number {
  const { blockLength, blockBytes } = STORAGE_FORMATS[storage];
  return (size / blockLength) * blockBytes;
}

/** The memory a tensor is created in: the device's own, or (for swapping) the host's. On `cpu` both are the same. */
export type StorageMemory = 'device' | 'host';
