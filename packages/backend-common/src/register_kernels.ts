import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type { KernelFunc } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';
import { hostKernels } from './host_fallback.ts';
import type { BackendInfo } from './host_fallback.ts';
import { tfjsKernels } from './kernels/index.ts';
import type { TfjsKernel } from './kernels/tfjs_kernel.ts';

/** The host's kernel takes over what `kernel` does not serve. */
function withFallback({ kernelName, run }: TfjsKernel, hostKernel: KernelFunc | undefined): KernelFunc {
  return (call) => {
    const { inputs, attrs, backend } = call;
    const device = backend as DeviceBackend;
    return device.runKernel(() => {
      const output = run({ inputs, attrs, backend: device });
      if (output !== undefined) return output;
      if (!hostKernel) throw new Error(`no host kernel ${kernelName}`);
      return hostKernel(call);
    });
  };
}

/**
 * Registers kernels for a backend that are made of its launches, in the place of the host's.
 *
 * @param without Names of tfjs's kernels that are left to the host.
 */
export function registerTfjsKernels(
  backend: BackendInfo,
  { without = [] }: { without?: readonly string[] } = {},
): void {
  const hosts = hostKernels(backend);
  const { name: backendName } = backend;
  for (const kernel of tfjsKernels) {
    const { kernelName } = kernel;
    if (without.includes(kernelName)) continue;
    if (getKernel(kernelName, backendName)) unregisterKernel(kernelName, backendName);
    registerKernel({ kernelName, backendName, kernelFunc: withFallback(kernel, hosts.get(kernelName)) });
  }
}
