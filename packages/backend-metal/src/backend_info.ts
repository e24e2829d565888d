import type { BackendInfo } from '@attention-js/backend-common';

/** Names of this backend, for tfjs and for messages. */
export const backendInfo: BackendInfo = {
  name: 'metal',
  kernelTerm: 'Metal shader',
  fallbackFlag: 'METAL_CPU_FALLBACK',
};
