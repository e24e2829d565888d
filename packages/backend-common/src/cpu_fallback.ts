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

/** Names of a tfjs backend, for registration and messages. */
export interface BackendInfo {
  /** Its name in tfjs: `metal`. */
  name: string;
  /** Its term for a kernel, for messages: `Metal shader`. */
  kernelTerm: string;
  /** The flag and environment variable that set its fallback policy: `METAL_CPU_FALLBACK`. */
  fallbackFlag: string;
}

/** These kernels touch no elements: their output shares the data of their input. */
const sharesData = new Set(['ExpandDims', 'Identity', 'Reshape']);

const isTfjsKernel = ({ kernelName }: KernelConfig): boolean =>
  (tfjs as unknown as Record<string, unknown>)[kernelName] === kernelName;

/** tfjs's `cpu` kernels by name, without those of custom ops, which may write in place. */
const cpuKernels: ReadonlyMap<string, KernelFunc> = new Map(
  getKernelsForBackend('cpu')
    .filter(isTfjsKernel)
    .map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]),
);

/** Applies the backend's policy before a kernel runs on the CPU: warns, throws or does nothing. */
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
  const withPolicy = ([kernelName, kernelFunc]: [string, KernelFunc]): [string, KernelFunc] => [
    kernelName,
    sharesData.has(kernelName)
      ? kernelFunc
      : (call) => {
          beforeFallback(backend, kernelName, warned);
          return kernelFunc(call);
        },
  ];
  return new Map([...cpuKernels].map(withPolicy));
}

const kernelsByBackend = new Map<string, ReadonlyMap<string, KernelFunc>>();

/** tfjs's `cpu` kernels by name, wrapped to apply the backend's fallback policy. */
export function cpuFallbacks(backend: BackendInfo): ReadonlyMap<string, KernelFunc> {
  let kernels = kernelsByBackend.get(backend.name);
  if (!kernels) {
    kernels = makeCpuFallbacks(backend);
    kernelsByBackend.set(backend.name, kernels);
  }
  return kernels;
}

/** Registers tfjs's `cpu` kernels for a backend, as fallbacks that run on its data. */
export function registerCpuFallbacks(backend: BackendInfo): void {
  for (const [kernelName, kernelFunc] of cpuFallbacks(backend)) {
    // Kernels stay registered after tf.removeBackend, and another copy of the package may have registered them.
    if (getKernel(kernelName, backend.name)) unregisterKernel(kernelName, backend.name);
    registerKernel({
      kernelName,
      backendName: backend.name,
      kernelFunc,
      // tf.setBackend calls this and rejects if it throws. An unavailable backend throws its reason here.
      setupFunc: (instance) => void (instance as tfjs.KernelBackend).floatPrecision(),
    });
  }
}
