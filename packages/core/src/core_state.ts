import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sharedState } from './shared_state.ts';
import type { StorageType } from './storage/storage_types.ts';
import { VERSION } from './version.ts';

type DataId = TensorInfo['dataId'];

/** What all copies of this package share. A change to it, or to what kernels are called with, takes a new `format`. */
interface CoreState {
  /** Storage types of data on `cpu`, whose values are float32 throughout and were rounded when they were written. */
  cpuStorageTypes: WeakMap<DataId, StorageType>;
  /** Data that must stay on its backend. */
  pinned: WeakSet<DataId>;
  /** Engines of tfjs that were told to. */
  guardedEngines: WeakSet<object>;
  /** Kernel names of all ops, and whether the op is one of this package. */
  ops: Map<string, { isOurs: boolean }>;
}

export const { state: coreState } = sharedState<CoreState>(
  { name: '@attention-js/core', version: VERSION, format: 1, url: import.meta.url },
  () => ({
    cpuStorageTypes: new WeakMap(),
    pinned: new WeakSet(),
    guardedEngines: new WeakSet(),
    ops: new Map(),
  }),
);
