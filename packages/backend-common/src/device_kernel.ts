import type { KernelCall, Op, OpKernelOptions } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { checkValues } from './check_values.ts';
import type { DeviceBackend } from './device_backend.ts';

/** The arguments of a kernel on a backend. */
export interface DeviceKernelCall<Inputs, Attributes, Backend extends DeviceBackend> extends KernelCall<
  Inputs,
  Attributes
> {
  backend: Backend;
}

/** Registers an op's kernel. */
export type DeviceKernel<Backend extends DeviceBackend> = <Inputs extends object, Attributes extends object>(
  op: Op<Inputs, Attributes>,
  kernel: (call: DeviceKernelCall<Inputs, Attributes, Backend>) => TensorInfo[],
  options?: OpKernelOptions,
) => void;

/** The backends of one kind and their shared kernels. */
interface Kind {
  backendNames: Set<string>;
  registrations: ((backendName: string) => void)[];
}

const kinds = new Map<string, Kind>();

function kindOf(name: string): Kind {
  let kind = kinds.get(name);
  if (!kind) {
    kind = { backendNames: new Set(), registrations: [] };
    kinds.set(name, kind);
  }
  return kind;
}

/**
 * Makes the function that registers ops' kernels for one kind of backend, such as `cuda`, which may have several
 * backends: `cuda`, `cuda:1`. If a kernel throws, the tensors it has made are disposed. With
 * `ATTENTION_CHECK_BOUNDS=1`, the inputs' elements are checked first.
 */
export function deviceKernel<Backend extends DeviceBackend>(kindName: string): DeviceKernel<Backend> {
  return <Inputs extends object, Attributes extends object>(
    op: Op<Inputs, Attributes>,
    kernel: (call: DeviceKernelCall<Inputs, Attributes, Backend>) => TensorInfo[],
    options?: OpKernelOptions,
  ): void => {
    const register = (backendName: string): void =>
      op.kernel(
        backendName,
        (call) => {
          checkValues(op, call);
          const own = call as DeviceKernelCall<Inputs, Attributes, Backend>;
          return own.backend.runKernel(() => kernel(own));
        },
        options,
      );
    const { backendNames, registrations } = kindOf(kindName);
    registrations.push(register);
    for (const backendName of backendNames) register(backendName);
  };
}

/** Registers all kernels of a kind, including later ones, for a backend. */
export function registerDeviceKernels(kindName: string, backendName: string): void {
  const { backendNames, registrations } = kindOf(kindName);
  backendNames.add(backendName);
  for (const register of registrations) register(backendName);
}
