import {
  registerCpuFallbacks,
  registerDeviceKernels,
  registerTfjsKernels,
  unavailableBackend,
} from '@attention-js/backend-common';
import { AttentionError, sharedState } from '@attention-js/core';
import { backend_util, registerBackend } from '@tensorflow/tfjs-core';
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { openDevice } from './addon.ts';
import { backendInfo } from './backend_info.ts';
import { CPU_ONLY_KERNELS } from './launches/index.ts';
import { MetalBackend } from './metal_backend.ts';
import type { MetalOptions } from './metal_backend.ts';
import { VERSION } from './version.ts';

function makeBackend(options: MetalOptions): KernelBackend {
  try {
    const device = openDevice();
    if (device.isEmulated)
      backend_util.warn('[metal] shaders run on the CPU, on the emulator, which is for tests only');
    return new MetalBackend(device, options);
  } catch (error) {
    // If a factory throws, tfjs silently continues with another backend, so return one that throws.
    if (error instanceof AttentionError) return unavailableBackend(error, MetalBackend);
    throw error;
  }
}

/** @internal Registers the device under a name. */
export function registerDevice(name: string, options: MetalOptions): void {
  const info = { ...backendInfo, name };
  registerBackend(name, () => makeBackend(options), 0); // priority 0: never chosen automatically
  registerCpuFallbacks(info);
  registerTfjsKernels(info, { without: CPU_ONLY_KERNELS });
  registerDeviceKernels('metal', name);
}

// A second copy of this package would replace the kernels of the first, whose backend tfjs keeps.
const copy = { name: '@attention-js/backend-metal', version: VERSION, format: 1, url: import.meta.url };
if (sharedState(copy, () => ({})).isFirst) registerDevice('metal', {});
