import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from '../checks.ts';
import { defineCoreOp } from '../define_op.ts';
import { announceStorage, storageBackend } from '../storage/storage_backend.ts';
import { STORAGE_TYPES } from '../storage/storage_types.ts';
import type { StorageType } from '../storage/storage_types.ts';
import { castStorageCpu } from './cast_storage.cpu.ts';

/** Inputs of {@link castStorage} by name. */
export interface CastStorageInputs {
  /** Float32, any shape. */
  x: TensorInfo;
}

/** Attributes of {@link castStorage} by name. */
export interface CastStorageAttributes {
  /** Storage type of the output. */
  storage: StorageType;
}

const checks = new Checks('castStorage');

/** The op behind {@link castStorage}, for packages that add a kernel. */
export const castStorageOp = defineCoreOp<CastStorageInputs, CastStorageAttributes>({
  name: 'CastStorage',
  check({ x }, { storage }) {
    checks.dtype('x', x, 'float32');
    checks.oneOf('storage', storage, STORAGE_TYPES);
    checks.supportedStorage('storage', storage);
    checks.wholeBlocks('x', x.shape, storage);
    announceStorage(storage);
    if (storage !== 'float32') storageBackend('castStorage'); // its error says more than "no kernel"
  },
  blockInputs: ['x'],
  outputs: ({ x }, { storage }) => [{ shape: x.shape, dtype: 'float32', storage }],
  kernels: { cpu: castStorageCpu },
});

/**
 * Copies a tensor into another storage type: elements are rounded to nearest, ties to even; block types are quantized, and
 * decoded, as GGML's reference does, on `cpu` only.
 *
 * @param x Float32 tensor in any storage type, any shape.
 * @param storage Storage type of the copy; may be that of `x`.
 * @returns A tensor of the shape of `x`, in its own memory.
 * @throws AttentionError `ERR_DTYPE` if `x` is not float32, `ERR_SHAPE` if its rows are not whole blocks of `storage`,
 * `ERR_RANGE` for an unknown storage type, `ERR_UNSUPPORTED` if the active backend has no storage types, or for a block type
 * on a backend other than `cpu`.
 */
export function castStorage(x: Tensor, storage: StorageType): Tensor {
  return castStorageOp({ x }, { storage })[0];
}
