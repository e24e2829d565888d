import { engine } from '@tensorflow/tfjs-core';
import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import { coreState } from '../core_state.ts';
import { AttentionError } from '../errors.ts';
import { blockStorageError } from './block_storage_error.ts';
import { cpuStorage } from './cpu_storage.ts';
import { isBlockStorage } from './storage_types.ts';
import type { ElementStorage, StorageMemory, StorageType } from './storage_types.ts';

type DataId = TensorInfo['dataId'];

/** Memory of a device, in bytes. */
export interface DeviceMemoryInfo {
  /**
   * Bytes that tensors can still take, assuming that use grows again to its peak since the previous call. So two calls
   * with a step between them tell how much that step leaves.
   */
  free: number;
  /** Total memory of the device. */
  total: number;
}

/**
 * What a tfjs backend implements to store tensors in storage types other than float32. All tensors passed in live on that
 * backend; callers have checked shapes, dtypes and lengths.
 */
export interface StorageBackend {
  /** Storage type of the data behind `dataId`. */
  storageOf(dataId: DataId): StorageType;
  /** Creates a float32 tensor of zeros that is stored as `storage` in `memory`. */
  zeros(shape: number[], storage: StorageType, memory: StorageMemory): TensorInfo;
  /** Creates a float32 tensor from bytes that are already in `storage`. */
  fromBytes(bytes: Uint8Array, shape: number[], storage: StorageType): TensorInfo;
  /** Copies out the bytes of `tensor`, float32 or int32, as it is stored. */
  bytes(tensor: TensorInfo): Promise<Uint8Array>;
  /** Overwrites `destination`, of an element type, in place, rounding to it. (The op `AssignStorage` assigns from a tensor.) */
  assign(destination: TensorInfo, source: Float32Array | Int32Array): void;
  /** Memory of the device; `undefined` if it has none of its own to fill: a CPU, an emulator. */
  memoryInfo?(): DeviceMemoryInfo | undefined;
}

function isStorageBackend(backend: object): backend is StorageBackend {
  return 'storageOf' in backend && 'fromBytes' in backend;
}

const cpuStorages = new WeakMap<KernelBackend, StorageBackend>();

/** The {@link StorageBackend} of a tfjs backend, or `undefined` if it stores only float32. */
function findStorageBackend(backend: KernelBackend): StorageBackend | undefined {
  const known = cpuStorages.get(backend);
  if (known) return known;
  if (isStorageBackend(backend)) return backend;
  if (engine().registry.cpu !== backend) return undefined;
  const found = cpuStorage(backend);
  cpuStorages.set(backend, found);
  return found;
}

function ownerOf(tensor: Pick<TensorInfo, 'dataId'>): KernelBackend {
  return engine().state.tensorInfo.get(tensor.dataId)?.backend ?? engine().backend;
}

/** The {@link StorageBackend} of the backend that `tensor` lives on, or of the active one. `ERR_UNSUPPORTED` if none. */
export function storageBackend(op: string, tensor?: Pick<TensorInfo, 'dataId'>): StorageBackend {
  const backend = tensor ? ownerOf(tensor) : engine().backend;
  const found = findStorageBackend(backend);
  if (found) return found;
  const { registry, backendName } = engine();
  const name = Object.keys(registry).find((key) => registry[key] === backend) ?? backendName;
  throw new AttentionError('ERR_UNSUPPORTED', `[${op}] tfjs backend ${name} has no storage types`);
}

/** Storage type of a tensor: `float32` unless one of our ops or storage functions gave it another. */
export function storageOf(tensor: Pick<TensorInfo, 'dataId'>): StorageType {
  return findStorageBackend(ownerOf(tensor))?.storageOf(tensor.dataId) ?? 'float32';
}

/** Announces a tensor in `storage`. Once there has been a block type, ops check their inputs for it. */
export function announceStorage(storage: StorageType): void {
  if (isBlockStorage(storage)) coreState.hasBlockTensors = true;
}

/** {@link storageOf} for code that supports no block types: throws `ERR_DTYPE` for them. */
export function elementStorageOf(tensor: Pick<TensorInfo, 'dataId'>): ElementStorage {
  const storage = storageOf(tensor);
  if (!isBlockStorage(storage)) return storage;
  throw blockStorageError(storage);
}

/** Memory of the active backend's device; `undefined` if the backend does not know it, or has none of its own to fill. */
export function memoryInfo(): DeviceMemoryInfo | undefined {
  const { backend } = engine();
  return backend && findStorageBackend(backend)?.memoryInfo?.();
}

/** Forbids tfjs to move `tensor` to another backend: a copy of a cache is no longer the cache. */
export function pinToBackend(tensor: Pick<TensorInfo, 'dataId'>): void {
  guardMoves();
  coreState.pinned.add(tensor.dataId);
}

/** Throws if the data must stay on the backend that created it. */
function checkMove(dataId: DataId): void {
  const isPinned = coreState.pinned.has(dataId);
  const storage = storageOf({ dataId });
  if (!isPinned && storage === 'float32') return;
  throw new AttentionError(
    'ERR_UNSUPPORTED',
    `[moveData] ${isPinned ? 'a KV cache tensor' : `a ${storage} tensor`} stays on the backend that created it: expected ` +
      `an op on that backend, received one on ${engine().backendName}; use castStorage or storageBytes to copy it ` +
      'explicitly',
  );
}

/** Throws the error that an op on the active backend would throw if it must not move `tensor` there. */
export function checkUsable(tensor: Pick<TensorInfo, 'dataId'>): void {
  if (ownerOf(tensor) !== engine().backend) checkMove(tensor.dataId);
}

/**
 * When another backend touches a tensor, tfjs silently moves it there as float32. For half precision and cache tensors,
 * that would lose precision or write to a copy, so this makes it throw instead.
 */
export function guardMoves(): void {
  const current = engine();
  if (coreState.guardedEngines.has(current)) return;
  coreState.guardedEngines.add(current);
  const moveData = current.moveData.bind(current);
  current.moveData = (target: KernelBackend, dataId: DataId) => {
    checkMove(dataId);
    moveData(target, dataId);
  };
}
