import { AttentionError } from '@attention-js/core';
import '@tensorflow/tfjs-backend-cpu';
import { backend_util, env, getKernelsForBackend, registerKernel } from '@tensorflow/tfjs-core';
import * as tfjs from '@tensorflow/tfjs-core';
import type { KernelConfig, KernelFunc } from '@tensorflow/tfjs-core';

const POLICIES = ['warn', 'silent', 'error'];

env().registerFlag('METAL_HOST_FALLBACK', () => process.env.METAL_HOST_FALLBACK ?? 'warn');

/** They touch no element: the tensor that they return shares the data of their input. */
const sharesData = new Set(['ExpandDims', 'Identity', 'Reshape']);

const warned = new Set<string>();

/** Applies the policy METAL_HOST_FALLBACK to a kernel that is about to run on the CPU. */
function beforeFallback(kernelName: string): void {
  const policy = env().get('METAL_HOST_FALLBACK') as string;
  if (policy === 'silent') return;
  if (policy === 'error') {
    throw new AttentionError(
      'ERR_UNSUPPORTED',
      `[${kernelName}] no metal kernel, and METAL_HOST_FALLBACK is error`,
    );
  }
  if (!POLICIES.includes(policy)) {
    const expected = POLICIES.join(', ');
    throw new AttentionError(
      'ERR_RANGE',
      `[metal] METAL_HOST_FALLBACK: expected one of ${expected}, received ${policy}`,
    );
  }
  if (warned.has(kernelName)) return;
  warned.add(kernelName);
  backend_util.warn(
    `[metal] ${kernelName} has no Metal shader and runs on the CPU (METAL_HOST_FALLBACK=silent hides this)`,
  );
}

const isTfjsKernel = ({ kernelName }: KernelConfig): boolean =>
  (tfjs as unknown as Record<string, unknown>)[kernelName] === kernelName;

/** tfjs's kernels for `cpu`, by name, held to the policy. */
export const hostKernels: ReadonlyMap<string, KernelFunc> = new Map(
  getKernelsForBackend('cpu')
    .filter(isTfjsKernel) // ours and authors' ops are not copied: they may write in place
    .map(({ kernelName, kernelFunc }) => [
      kernelName,
      sharesData.has(kernelName)
        ? kernelFunc
        : (call) => {
            beforeFallback(kernelName);
            return kernelFunc(call);
          },
    ]),
);

/** Registers tfjs's `cpu` kernels for `metal`: they read and write the memory that CPU and GPU share. */
export function registerHostKernels(): void {
  for (const [kernelName, kernelFunc] of hostKernels) {
    registerKernel({
      kernelName,
      backendName: 'metal',
      kernelFunc,
      // tf.setBackend calls this, and rejects with what it throws: where there is no device, why.
      setupFunc: (backend) => void (backend as tfjs.KernelBackend).floatPrecision(),
    });
  }
}
