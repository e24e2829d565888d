import type { DataStorage, DataType, KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import { coreState } from '../core_state.ts';
import { AttentionError } from '../errors.ts';
import { cpuBlocks, makeBlockTensor } from './cpu_blocks.ts';
import { roundArrayToStorage } from './half_precision.ts';
import { decodeStorageBytes, encodeStorageBytes } from './storage_bytes.ts';
import type { StorageBackend } from './storage_backend.ts';
import { isBlockStorage, storageByteLength } from './storage_types.ts';
import type { ElementStorage, StorageType } from './storage_types.ts';

type DataId = TensorInfo['dataId'];

/** The part of tfjs's `cpu` backend that our kernels use. */
export interface CpuBackend extends KernelBackend {
  /** Values by data id. */
  data: DataStorage<{ values: unknown }>;
  /** A tensor's elements as a tfjs TensorBuffer. */
  bufferSync(tensor: TensorInfo): object;
  /** Creates a tensor from values. */
  makeTensorInfo(shape: number[], dtype: string, values?: Float32Array | Int32Array): TensorInfo;
}

const storageTypes = coreState.cpuStorageTypes;

/** Records that the values behind `dataId` are rounded to `storage`. */
export function tagCpuStorage(dataId: DataId, storage: StorageType): void {
  if (storage !== 'float32') storageTypes.set(dataId, storage);
}

/** The memory of a tensor on `cpu`, not a copy: writing to it changes the tensor. */
export function cpuValues(backend: CpuBackend, tensor: TensorInfo): Float32Array | Int32Array {
  return backend.data.get(tensor.dataId).values as Float32Array | Int32Array;
}

function storageOf(dataId: DataId): StorageType {
  return storageTypes.get(dataId) ?? 'float32';
}

function makeTensor(
  backend: CpuBackend,
  values: Float32Array,
  shape: number[],
  storage: ElementStorage,
): TensorInfo {
  const tensor = backend.makeTensorInfo(shape, 'float32', values);
  tagCpuStorage(tensor.dataId, storage);
  return tensor;
}

/**
 * Throws unless `values`, the memory of a tensor of `dtype`, may be written. On `cpu`, `tf.cast` makes a float32 tensor
 * share the memory of its int32 input, and an int32 tensor that of its bool input: writing would truncate values and
 * change the other tensor too.
 */
export function assertWritable(
  op: string,
  argument: string,
  values: Float32Array | Int32Array,
  dtype: DataType = 'float32',
): void {
  if (values instanceof (dtype === 'int32' ? Int32Array : Float32Array)) return;
  throw new AttentionError(
    'ERR_UNSUPPORTED',
    `[${op}] ${argument}: expected unshared ${dtype} memory, received memory shared with the ` +
      'input of tf.cast; copy it first',
  );
}

/** Whether two arrays overlap in memory. */
export function sharesMemory(a: Float32Array | Int32Array, b: Float32Array | Int32Array): boolean {
  if (a.buffer !== b.buffer) return false;
  return a.byteOffset < b.byteOffset + b.byteLength && b.byteOffset < a.byteOffset + a.byteLength;
}

function allocate<Values>(size: number, make: (size: number) => Values): Values {
  try {
    return make(size);
  } catch (cause) {
    const message = `[zerosWithStorage] shape: expected memory for ${size} elements, received none`;
    throw new AttentionError('ERR_OUT_OF_MEMORY', message, { cause });
  }
}

/** The storage functions of tfjs's `cpu` backend. */
export function cpuStorage(kernelBackend: KernelBackend): StorageBackend {
  const backend = kernelBackend as CpuBackend;
  return {
    storageOf,
    zeros(shape, storage) {
      const size = shape.reduce((product, length) => product * length, 1);
      if (!isBlockStorage(storage)) {
        return makeTensor(
          backend,
          allocate(size, (length) => new Float32Array(length)),
          shape,
          storage,
        );
      }
      const blocks = allocate(storageByteLength(storage, size), (length) => new Uint8Array(length));
      return makeBlockTensor(backend, blocks, shape, storage);
    },
    fromBytes: (bytes, shape, storage) =>
      isBlockStorage(storage)
        ? makeBlockTensor(backend, new Uint8Array(bytes), shape, storage)
        : makeTensor(backend, decodeStorageBytes(bytes, storage), shape, storage),
    async bytes(tensor) {
      const storage = storageOf(tensor.dataId);
      if (isBlockStorage(storage)) return new Uint8Array(cpuBlocks(backend, tensor));
      const values = cpuValues(backend, tensor);
      if (tensor.dtype === 'int32') return new Uint8Array(Int32Array.from(values).buffer);
      return encodeStorageBytes(values, storage);
    },
    assign(destination, source) {
      const values = cpuValues(backend, destination);
      assertWritable('assignStorage', 'destination', values, destination.dtype);
      values.set(source);
      if (values instanceof Float32Array)
        roundArrayToStorage(values, storageOf(destination.dataId) as ElementStorage);
    },
  };
}
