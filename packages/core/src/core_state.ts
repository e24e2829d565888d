import type { TensorInfo } from '@tensorflow/tfjs-core';
import { sharedState } from './shared_state.ts';
import type { StorageType } from './storage/storage_types.ts';
import { VERSION } from './version.ts';

type DataId = TensorInfo['dataId'];

/** What all copies of this package share. A change to it, or to what kernels are called with, takes a new `format`. */
interface CoreState {
  /** Storage types of data on `cpu`. Values of half types are float32 that were rounded when they were written. */
  cpuStorageTypes: WeakMap<DataId, StorageType>;
  /** Whether there has been a tensor in a block type: without any, ops need not look for one. */
  hasBlockTensors: boolean;
  /** Data that must stay on its backend. */
  pinned: WeakSet<DataId>;
  /** Engines of tfjs that were told to. */
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
