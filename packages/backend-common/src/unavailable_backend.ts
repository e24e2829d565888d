import { AttentionError } from '@attention-js/core';
import { KernelBackend } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';

/** Names of the methods and accessors of a class and those that it extends. */
function membersOf(type: object): string[] {
  const names: string[] = [];
  for (let prototype = type; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    names.push(...Object.getOwnPropertyNames(prototype));
  }
  return names;
}

/** Stands in for a backend of class `type` where it cannot be had: every method throws why. */
export function unavailableBackend(error: AttentionError, type: { prototype: DeviceBackend }): KernelBackend {
  const backend = new KernelBackend();
  for (const name of new Set(membersOf(type.prototype))) {
    if (name === 'constructor' || name === 'dispose') continue;
    const value = (): never => {
      throw new AttentionError(error.code, error.message, { cause: error });
    };
    Object.defineProperty(backend, name, { value });
  }
  backend.dispose = () => {}; // tfjs's engine calls it when it is reset
  return backend;
}
