import { AttentionError } from '@attention-js/core';
import '@tensorflow/tfjs-backend-cpu';
import {
  backend_util,
  env,
  getKernel,
  getKernelsForBackend,
  registerKernel,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import * as tfjs from '@tensorflow/tfjs-core';
import type { KernelConfig, KernelFunc } from '@tensorflow/tfjs-core';
import { environmentVariable } from './environment.ts';

const POLICIES = ['warn', 'silent', 'error'];

/** A tfjs backend, for what is registered with tfjs and for messages. */
export interface BackendInfo {
  /** Its name in tfjs: `metal`. */
  name: string;
  /** What it calls a kernel: `Metal shader`. */
  kernelTerm: string;
  /** The flag and environment variable with its policy: `METAL_CPU_FALLBACK`. */
  fallbackFlag: string;
}

/** They touch no element: the tensor that they return shares the data of their input. */
const sharesData = new Set(['ExpandDims', 'Identity', 'Reshape']);

const isTfjsKernel = ({ kernelName }: KernelConfig): boolean =>
  (tfjs as unknown as Record<string, unknown>)[kernelName] === kernelName;

/** tfjs's kernels for `cpu`, by name. Ours and authors' ops are not among them: they may write in place. */
const cpuKernels: ReadonlyMap<string, KernelFunc> = new Map(
  getKernelsForBackend('cpu')
    .filter(isTfjsKernel)
    .map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]),
);

/** Applies the policy of a backend to a kernel that is about to run on the CPU. */
function beforeFallback(
  { name, kernelTerm, fallbackFlag }: BackendInfo,
  kernelName: string,
  warned: Set<string>,
) {
  const policy = env().get(fallbackFlag) as string;
  if (policy === 'silent') return;
  if (policy === 'error') {
    throw new AttentionError(
      'ERR_UNSUPPORTED',
      `[${kernelName}] no ${name} kernel, and ${fallbackFlag} is error`,
    );
  }
  if (!POLICIES.includes(policy)) {
    const expected = POLICIES.join(', ');
    throw new AttentionError(
      'ERR_RANGE',
      `[${name}] ${fallbackFlag}: expected one of ${expected}, received ${policy}`,
    );
  }
  if (warned.has(kernelName)) return;
  warned.add(kernelName);
  backend_util.warn(
    `[${name}] ${kernelName} has no ${kernelTerm} and runs on the CPU (${fallbackFlag}=silent hides this)`,
  );
}

function makeCpuFallbacks(backend: BackendInfo): ReadonlyMap<string, KernelFunc> {
  const { fallbackFlag } = backend;
  env().registerFlag(fallbackFlag, () => environmentVariable(fallbackFlag) ?? 'warn');
  const warned = new Set<string>();
  const held = ([kernelName, kernelFunc]: [string, KernelFunc]): [string, KernelFunc] => [
    kernelName,
    sharesData.has(kernelName)
      ? kernelFunc
      : (call) => {
          beforeFallback(backend, kernelName, warned);
          return kernelFunc(call);
        },
  ];
  return new Map([...cpuKernels].map(held));
}

const kernelsByBackend = new Map<string, ReadonlyMap<string, KernelFunc>>();

/** tfjs's kernels for `cpu`, by name, held to the policy of a backend. */
export function cpuFallbacks(backend: BackendInfo): ReadonlyMap<string, KernelFunc> {
  let kernels = kernelsByBackend.get(backend.name);
  if (!kernels) {
    kernels = makeCpuFallbacks(backend);
    kernelsByBackend.set(backend.name, kernels);
  }
  return kernels;
}

/** Registers tfjs's `cpu` kernels for a backend, on whose data they work. */
export function registerCpuFallbacks(backend: BackendInfo): void {
  for (const [kernelName, kernelFunc] of cpuFallbacks(backend)) {
    // After tf.removeBackend they are still there, as are those of a second copy of the package.
    if (getKernel(kernelName, backend.name)) unregisterKernel(kernelName, backend.name);
    registerKernel({
      kernelName,
      backendName: backend.name,
      kernelFunc,
      // tf.setBackend calls this, and rejects with what it throws: where there is no device, why.
      setupFunc: (instance) => void (instance as tfjs.KernelBackend).floatPrecision(),
    });
  }
}
