import { checkValues } from '@attention-js/backend-common';
import type { KernelCall, Op } from '@attention-js/core';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { MetalBackend } from './metal_backend.ts';

/** What a kernel for `metal` is called with. */
export interface MetalKernelCall<Inputs, Attributes> extends KernelCall<Inputs, Attributes> {
  backend: MetalBackend;
}

/**
 * Gives an op its kernel for the backend `metal`. The kernel makes its outputs with {@link MetalBackend.makeOutput} and
 * fills them with {@link MetalBackend.dispatch}.
 */
export function metalKernel<Inputs extends object, Attributes extends object>(
  op: Op<Inputs, Attributes>,
  kernel: (call: MetalKernelCall<Inputs, Attributes>) => TensorInfo[],
): void {
  op.kernel('metal', (call) => {
    const own = call as MetalKernelCall<Inputs, Attributes>;
    checkValues(op, own);
    return own.backend.runKernel(() => kernel(own));
  });
}
