import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';

/** What a kernel for one of tfjs's own ops is called with. */
export interface TfjsKernelCall<Inputs, Attributes> {
  inputs: Inputs;
  attrs: Attributes;
  backend: DeviceBackend;
}

type TfjsKernelResult = TensorInfo | TensorInfo[] | undefined;

/** A kernel for one of tfjs's own ops. */
export interface TfjsKernel {
  kernelName: string;
  /** Returns `undefined` for what it does not serve, a dtype for instance; then the cpu fallback runs. */
  run(this: void, call: TfjsKernelCall<NamedTensorInfoMap, NamedAttrMap | undefined>): TfjsKernelResult;
}

/** A kernel with the types of its op's inputs and attributes. */
export function tfjsKernel<Inputs, Attributes>(
  kernelName: string,
  kernel: (call: TfjsKernelCall<Inputs, Attributes>) => TfjsKernelResult,
): TfjsKernel {
  return {
    kernelName,
    run: ({ inputs, attrs, backend }) =>
      kernel({ inputs: inputs as Inputs, attrs: attrs as Attributes, backend }),
  };
}
