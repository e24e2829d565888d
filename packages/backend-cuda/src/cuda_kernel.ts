import { checkValues } from '@attention-js/backend-common';
import type { KernelCall, Op } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CudaBackend } from './cuda_backend.ts';

/** What a kernel for `cuda` is called with. */
export interface CudaKernelCall<Inputs, Attributes> extends KernelCall<Inputs, Attributes> {
  backend: CudaBackend;
}

const backendNames = new Set<string>();
const registrations: ((backendName: string) => void)[] = [];

/**
 * Gives an op its kernel for the backend `cuda`, and for the further devices of `registerCudaDevice`. The kernel makes its
 * outputs with {@link CudaBackend.makeOutput} and fills them with {@link CudaBackend.run} or a {@link CudaModule}.
 */
export function cudaKernel<Inputs extends object, Attributes extends object>(
  op: Op<Inputs, Attributes>,
  kernel: (call: CudaKernelCall<Inputs, Attributes>) => TensorInfo[],
): void {
  const register = (backendName: string): void =>
    op.kernel(backendName, (call) => {
      const own = call as CudaKernelCall<Inputs, Attributes>;
      checkValues(op, own);
      return own.backend.runKernel(() => kernel(own));
    });
  registrations.push(register);
  for (const backendName of backendNames) register(backendName);
}

/** Registers all kernels of ops, those that are given later too, for a further backend. */
export function registerCudaKernels(backendName: string): void {
  backendNames.add(backendName);
  for (const register of registrations) register(backendName);
}
