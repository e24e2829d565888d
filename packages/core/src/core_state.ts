import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sharedState } from './shared_state.ts';
import type { StorageType } from './storage/storage_types.ts';
import { VERSION } from './version.ts';

type DataId = TensorInfo['dataId'];

/**
 * The state shared by all copies of this package. A change to it, or to the arguments of kernels, requires a new
 * `format`.
 */
interface CoreState {
  /**
   * Storage types of data on `cpu`. Values of half types are float32 values that were rounded when they were written.
   */
  cpuStorageTypes: WeakMap<DataId, StorageType>;
  /** Whether a tensor in a block type has ever been made; if not, ops need not check for one. */
  hasBlockTensors: boolean;
  /** Data that must stay on its backend. */
  pinned: WeakSet<DataId>;
  /** Engines of tfjs on which moves are guarded. */
  guardedEngines: WeakSet<object>;
  /** Kernel names of all ops, and whether the op is one of this package. */
  ops: Map<string, { isOurs: boolean }>;
}

export const { state: coreState } = sharedState<CoreState>(
  { name: '@attention-js/core', version: VERSION, format: 2, url: import.meta.url },
  () => ({
    cpuStorageTypes: new WeakMap(),
    hasBlockTensors: false,
    pinned: new WeakSet(),
    guardedEngines: new WeakSet(),
    ops: new Map(),
  }),
);
