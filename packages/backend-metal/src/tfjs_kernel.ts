import { getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type { KernelFunc, NamedAttrMap, TensorInfo } from '@tensorflow/tfjs-core';
import { hostKernels } from './host_fallback.ts';
import type { MetalBackend } from './metal_backend.ts';

/** What a Metal kernel for one of tfjs's own ops is called with. */
export interface TfjsKernelCall<Inputs, Attributes> {
  inputs: Inputs;
  attrs: Attributes;
  backend: MetalBackend;
}

/**
 * Gives one of tfjs's own ops a kernel for `metal`, in the place of the host's.
 *
 * @param kernel Returns `undefined` for what it does not serve, a dtype for instance; then the host's kernel runs.
 */
export function tfjsKernel<Inputs, Attributes>(
  kernelName: string,
  kernel: (call: TfjsKernelCall<Inputs, Attributes>) => TensorInfo | TensorInfo[] | undefined,
): void {
  const hostKernel = hostKernels.get(kernelName);
  const registered = getKernel(kernelName, 'metal');
  if (registered) unregisterKernel(kernelName, 'metal');
  const kernelFunc: KernelFunc = (call) => {
    const { inputs, attrs, backend } = call;
    const output = kernel({
      inputs: inputs as Inputs,
      attrs: attrs as NamedAttrMap as Attributes,
      backend: backend as MetalBackend,
    });
    if (output !== undefined) return output;
    if (!hostKernel) throw new Error(`no host kernel ${kernelName}`);
    return hostKernel(call);
  };
  registerKernel({ kernelName, backendName: 'metal', kernelFunc });
}
