import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type { KernelFunc } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';
import { cpuFallbacks } from './cpu_fallback.ts';
import type { BackendInfo } from './cpu_fallback.ts';
import { tfjsKernels } from './tfjs_kernels/index.ts';
import type { TfjsKernel } from './tfjs_kernels/tfjs_kernel.ts';

/** tfjs's `cpu` kernel takes over what `kernel` does not serve. */
function withFallback({ kernelName, run }: TfjsKernel, cpuKernel: KernelFunc | undefined): KernelFunc {
  return (call) => {
    const { inputs, attrs, backend } = call;
    const device = backend as DeviceBackend;
    return device.runKernel(() => {
      const output = run({ inputs, attrs, backend: device });
      if (output !== undefined) return output;
      if (!cpuKernel) throw new Error(`no cpu kernel ${kernelName}`);
      return cpuKernel(call);
    });
  };
}

/**
 * Registers kernels for a backend that are made of its launches, in place of the cpu fallbacks.
 *
 * @param without Names of tfjs's kernels that are left to the CPU.
 */
export function registerTfjsKernels(
  backend: BackendInfo,
  { without = [] }: { without?: readonly string[] } = {},
): void {
  const fallbacks = cpuFallbacks(backend);
  const { name: backendName } = backend;
  for (const kernel of tfjsKernels) {
    const { kernelName } = kernel;
    if (without.includes(kernelName)) continue;
    if (getKernel(kernelName, backendName)) unregisterKernel(kernelName, backendName);
    registerKernel({ kernelName, backendName, kernelFunc: withFallback(kernel, fallbacks.get(kernelName)) });
  }
}
