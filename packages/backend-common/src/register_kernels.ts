import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type { KernelFunc } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from './device_backend.ts';
import { cpuFallbacks } from './cpu_fallback.ts';
import type { BackendInfo } from './cpu_fallback.ts';
import { tfjsKernels } from './tfjs_kernels/index.ts';
import type { TfjsKernel } from './tfjs_kernels/tfjs_kernel.ts';

/** Runs tfjs's `cpu` kernel if `run` does not support a call. */
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
 * Registers kernels built from a backend's launches, replacing its cpu fallbacks.
 *
 * @param without Names of kernels to leave on the CPU.
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
