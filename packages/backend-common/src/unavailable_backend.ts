import { AttentionError } from '@attention-js/core';
import { KernelBackend } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';

/** The methods and accessors of a class and its base classes, by name. */
function membersOf(type: object): Map<string, PropertyDescriptor> {
  const members = new Map<string, PropertyDescriptor>();
  for (let prototype = type; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype)) {
    for (const [name, member] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (!members.has(name)) members.set(name, member);
    }
  }
  return members;
}

/** A stand-in for a backend of class `type` that is unavailable: every method and accessor throws the reason. */
export function unavailableBackend(error: AttentionError, type: { prototype: DeviceBackend }): KernelBackend {
  const backend = new KernelBackend();
  for (const [name, member] of membersOf(type.prototype)) {
    if (name === 'constructor' || name === 'dispose') continue;
    const fail = (): never => {
      throw new AttentionError(error.code, error.message, { cause: error });
    };
    Object.defineProperty(backend, name, member.get ? { get: fail } : { value: fail });
  }
  backend.dispose = () => {}; // tfjs's engine calls this when it is reset
  return backend;
}
