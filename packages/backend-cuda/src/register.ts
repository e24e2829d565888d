import {
  registerCpuFallbacks,
  registerDeviceKernels,
  registerTfjsKernels,
  unavailableBackend,
} from '@attention-js/backend-common';
import { AttentionError, sharedState } from '@attention-js/core';
import { backend_util, findBackendFactory, registerBackend } from '@tensorflow/tfjs-core';
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { openContext } from './addon.ts';
import type { ContextOptions } from './addon.ts';
import { CudaBackend } from './cuda_backend.ts';
import { VERSION } from './version.ts';

function makeBackend(name: string, options: ContextOptions): KernelBackend {
  try {
    const context = openContext(options);
    if (context.isEmulated)
      backend_util.warn('[cuda] kernels run on the CPU, on the emulator, which is for tests only');
    return new CudaBackend(name, context);
  } catch (error) {
    // If a factory throws, tfjs silently continues with another backend, so return one that throws.
    if (error instanceof AttentionError) return unavailableBackend(error, CudaBackend);
    throw error;
  }
}

/** @internal Registers a device under a name. */
export function registerContext(name: string, options: ContextOptions): void {
  const backend = { name, kernelTerm: 'CUDA kernel', fallbackFlag: 'CUDA_CPU_FALLBACK' };
  registerBackend(name, () => makeBackend(name, options), 0); // priority 0: never chosen automatically
  registerCpuFallbacks(backend);
  registerTfjsKernels(backend);
  registerDeviceKernels('cuda', name);
}

/**
 * Registers another GPU as a tfjs backend. `cuda` itself is the GPU with index 0.
 *
 * @param index Index of the GPU as CUDA counts them (`CUDA_VISIBLE_DEVICES` may hide some and change their order).
 * @returns Name of the backend, `cuda:1` for index 1, for `tf.setBackend`, which rejects if there is no such GPU.
 * @throws AttentionError `ERR_RANGE` for an index that is not an integer of at least 0.
 */
export function registerCudaDevice(index: number): string {
  if (!Number.isInteger(index) || index < 0) {
    throw new AttentionError(
      'ERR_RANGE',
      `[registerCudaDevice] index: expected an integer of at least 0, received ${index}`,
    );
  }
  const name = `cuda:${index}`;
  if (!findBackendFactory(name)) registerContext(name, { ordinal: index });
  return name;
}

// A second copy of this package would replace the kernels of the first, whose backend tfjs keeps.
const copy = { name: '@attention-js/backend-cuda', version: VERSION, format: 1, url: import.meta.url };
if (sharedState(copy, () => ({})).isFirst) registerContext('cuda', { ordinal: 0 });
