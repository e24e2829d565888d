import { coreState } from '../core_state.ts';
import { blockStorageError } from './block_storage_error.ts';
import { decodeStorageBytes } from './storage_bytes.ts';
import type { BlockStorage } from './storage_types.ts';
import type { CpuBackend } from './cpu_storage.ts';
import type { TensorInfo } from '@tensorflow/tfjs-core';

type DataId = TensorInfo['dataId'];

/** The data behind the data id of a tensor in a block type, on tfjs's `cpu` backend. */
interface BlockData {
  dtype: 'float32';
  refCount: number;
  /** Read by our kernels, which decode what they need. */
  blocks: Uint8Array;
  /** Throws, because tfjs's kernels would read the bytes as numbers. */
  readonly values: never;
}

/** Creates a tensor that takes ownership of `blocks`. */
export function makeBlockTensor(
  backend: CpuBackend,
  blocks: Uint8Array,
  shape: number[],
  storage: BlockStorage,
): TensorInfo {
  decodeOnRead(backend);
  const data: BlockData = {
    dtype: 'float32',
    refCount: 1,
    blocks,
    get values(): never {
      throw blockStorageError(storage);
    },
  };
  const dataId = {};
  backend.data.set(dataId, data);
  coreState.cpuStorageTypes.set(dataId, storage);
  return { dataId, shape, dtype: 'float32' };
}

/** The bytes of a tensor in a block type, not a copy. */
export function cpuBlocks(backend: CpuBackend, { dataId }: Pick<TensorInfo, 'dataId'>): Uint8Array {
  return (backend.data.get(dataId) as unknown as BlockData).blocks;
}

const decodingBackends = new WeakSet<CpuBackend>();

/**
 * Makes `data()` and `dataSync()` of a tensor in a block type return its decoded elements. Kernels that use
 * `bufferSync` still get an error.
 */
function decodeOnRead(backend: CpuBackend): void {
  if (decodingBackends.has(backend)) return;
  decodingBackends.add(backend);
  const readSync = backend.readSync.bind(backend);
  backend.readSync = (dataId: DataId) => {
    const { blocks } = backend.data.get(dataId) as unknown as Partial<BlockData>;
    const storage = coreState.cpuStorageTypes.get(dataId);
    return blocks && storage ? decodeStorageBytes(blocks, storage) : readSync(dataId);
  };
  const bufferSync = backend.bufferSync.bind(backend);
  backend.bufferSync = (tensor) => {
    void backend.data.get(tensor.dataId).values;
    return bufferSync(tensor);
  };
}
