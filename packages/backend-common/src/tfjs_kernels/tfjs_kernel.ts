import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from '@tensorflow/tfjs-core';
import type { DeviceBackend } from '../device_backend.ts';

/** The arguments of a kernel for one of tfjs's ops. */
export interface TfjsKernelCall<Inputs, Attributes> {
  inputs: Inputs;
  attrs: Attributes;
  backend: DeviceBackend;
}

type TfjsKernelResult = TensorInfo | TensorInfo[] | undefined;

/** A device kernel for one of tfjs's ops. */
export interface TfjsKernel {
  kernelName: string;
  /** Returns `undefined` if it does not support the call, for instance its dtype; then the cpu fallback runs. */
  run(this: void, call: TfjsKernelCall<NamedTensorInfoMap, NamedAttrMap | undefined>): TfjsKernelResult;
}

/** Makes a kernel with typed inputs and attributes. */
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
