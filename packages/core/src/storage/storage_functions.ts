import { engine } from '@tensorflow/tfjs-core';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks, describe, isDetached, keysOf } from '../checks.ts';
import { announceStorage, guardMoves, storageBackend } from './storage_backend.ts';
import { STORAGE_TYPES, storageByteLength } from './storage_types.ts';
import type { StorageMemory, StorageType } from './storage_types.ts';

function tensorOf(info: TensorInfo): Tensor {
  guardMoves();
  return engine().makeTensorFromTensorInfo(info);
}

/** Checks that a shape is valid and its rows are whole blocks of `storage`; returns the number of elements. */
function checkShape(checks: Checks, shape: readonly number[], storage: StorageType): number {
  checks.expect(Array.isArray(shape), 'ERR_SHAPE', 'shape', 'an array of integers', describe(shape));
  shape.forEach((length, axis) => checks.integer(`shape[${axis}]`, length, 0));
  checks.wholeBlocks('shape', shape, storage);
  announceStorage(storage);
  return shape.reduce((product, length) => product * length, 1);
}

const tensorFromStorageChecks = new Checks('tensorFromStorage');

/**
 * Creates a tensor from bytes that are already in a storage type, e.g. from a safetensors file, without widening them.
 *
 * @param bytes Little-endian elements, or blocks, in row-major order; they are copied.
 * @param shape Shape of the tensor.
 * @param storage Storage type of `bytes` and of the tensor.
 * @returns A float32 tensor stored as `storage` on the active backend.
 * @throws AttentionError `ERR_SHAPE` if the bytes do not fill the shape, or its rows are no whole blocks of the
 * storage type; `ERR_DTYPE` if they are not a `Uint8Array`,
 * `ERR_RANGE` for an unknown storage type or a negative length, `ERR_UNSUPPORTED` if the backend has no storage types.
 */
export function tensorFromStorage(bytes: Uint8Array, shape: number[], storage: StorageType): Tensor {
  tensorFromStorageChecks.oneOf('storage', storage, STORAGE_TYPES);
  const isBytes = bytes instanceof Uint8Array;
  tensorFromStorageChecks.expect(isBytes, 'ERR_DTYPE', 'bytes', 'a Uint8Array', describe(bytes));
  const received = 'one whose buffer is detached';
  tensorFromStorageChecks.expect(!isDetached(bytes), 'ERR_DTYPE', 'bytes', 'a Uint8Array', received);
  const size = checkShape(tensorFromStorageChecks, shape, storage);
  const expected = storageByteLength(storage, size);
  tensorFromStorageChecks.expect(
    bytes.byteLength === expected,
    'ERR_SHAPE',
    'bytes',
    `${expected} bytes for ${storage} of shape [${shape.join(', ')}]`,
    bytes.byteLength,
  );
  return tensorOf(storageBackend('tensorFromStorage').fromBytes(bytes, shape, storage));
}

const zerosWithStorageChecks = new Checks('zerosWithStorage');
const ZEROS_OPTIONS = keysOf<{ memory: StorageMemory }>({ memory: true });

/**
 * Creates a tensor of zeros directly in the active backend's memory, so that KV caches of many GB need no host copy.
 *
 * @param shape Shape of the tensor.
 * @param storage Storage type of the tensor.
 * @param options `memory`: `device` (default), or `host` for a cache that blocks are swapped out to.
 * @returns A float32 tensor stored as `storage`.
 * @throws AttentionError `ERR_RANGE` for an unknown storage type or memory, `ERR_OUT_OF_MEMORY`, `ERR_UNSUPPORTED` for an unknown
 * option and when the backend has no storage types.
 */
export function zerosWithStorage(
  shape: number[],
  storage: StorageType,
  options: { memory?: StorageMemory } = {},
): Tensor {
  zerosWithStorageChecks.keys('options', options, ZEROS_OPTIONS);
  const { memory = 'device' } = options;
  zerosWithStorageChecks.oneOf('storage', storage, STORAGE_TYPES);
  zerosWithStorageChecks.oneOf('memory', memory, ['device', 'host'] as const);
  checkShape(zerosWithStorageChecks, shape, storage);
  return tensorOf(storageBackend('zerosWithStorage').zeros(shape, storage, memory));
}

const storageBytesChecks = new Checks('storageBytes');

/**
 * Reads a tensor as it is stored, without widening it, in the form that {@link tensorFromStorage} takes.
 *
 * @param x A float32 tensor in any storage type, or an int32 tensor.
 * @returns Its little-endian elements in row-major order, copied from the backend that `x` lives on.
 * @throws AttentionError (the promise rejects) `ERR_DTYPE` for another dtype, `ERR_DISPOSED` for a disposed tensor,
 * `ERR_UNSUPPORTED` if the backend has no storage types.
 */
export async function storageBytes(x: Tensor): Promise<Uint8Array> {
  storageBytesChecks.tensor('x', x);
  storageBytesChecks.dtype('x', x, 'float32', 'int32');
  return storageBackend('storageBytes', x).bytes(x);
}
