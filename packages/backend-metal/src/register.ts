import { registerCpuFallbacks, registerTfjsKernels, unavailableBackend } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';
import { backend_util, registerBackend } from '@tensorflow/tfjs-core';
import type { KernelBackend } from '@tensorflow/tfjs-core';
import { openDevice } from './addon.ts';
import { backendInfo } from './backend_info.ts';
import { LEFT_TO_CPU } from './launches/index.ts';
import { MetalBackend } from './metal_backend.ts';

function makeBackend(): KernelBackend {
  try {
    const device = openDevice();
    if (device.isEmulated)
      backend_util.warn('[metal] shaders run on the CPU, on the emulator, which is for tests only');
    return new MetalBackend(device);
  } catch (error) {
    // tfjs would swallow what a factory throws, and go on with another backend.
    if (error instanceof AttentionError) return unavailableBackend(error, MetalBackend);
    throw error;
  }
}

registerBackend('metal', makeBackend, 0); // priority 0: never chosen without being asked for
registerCpuFallbacks(backendInfo);
registerTfjsKernels(backendInfo, { without: LEFT_TO_CPU });
