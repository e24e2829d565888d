import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { OpKernel } from './define_op.ts';
import { cpuValues, tagCpuStorage } from './storage/cpu_storage.ts';
import type { CpuBackend } from './storage/cpu_storage.ts';
import { roundArrayToStorage } from './storage/half_precision.ts';

/** A tensor as a reference kernel sees it. `values` is the tensor's own memory, not a copy. */
export interface CpuTensor {
  /** Shape of the tensor. */
  shape: number[];
  /** Elements in row-major order. */
  values: Float32Array | Int32Array;
  /** Identity of the data; storage type: `storageOf(tensor)`. */
  dataId: TensorInfo['dataId'];
}

/** The inputs of a reference kernel. */
export type CpuTensors<Inputs> = {
  [Name in keyof Inputs]: undefined extends Inputs[Name] ? CpuTensor | undefined : CpuTensor;
};

/** Computes an op on typed arrays: reads `inputs`, fills each of `outputs`, which start out as zeros. */
export type CpuKernelBody<Inputs, Attributes> = (
  inputs: CpuTensors<Inputs>,
  attrs: Attributes,
  outputs: (Float32Array | Int32Array)[],
) => void;

/**
 * Makes an op's kernel for tfjs's `cpu` backend out of a function on typed arrays. Outputs are rounded to their
 * storage type afterwards; inputs that the op mutates the body writes (and rounds) itself.
 */
export function cpuKernel<Inputs extends object, Attributes>(
  body: CpuKernelBody<Inputs, Attributes>,
): OpKernel<Inputs, Attributes> {
  return ({ inputs, attrs, outputs, backend }) => {
    const cpu = backend as CpuBackend;
    const tensors: Record<string, CpuTensor | undefined> = {};
    for (const [name, input] of Object.entries(inputs) as [string, TensorInfo | undefined][]) {
      tensors[name] = input && { shape: input.shape, values: cpuValues(cpu, input), dataId: input.dataId };
    }
    const results = outputs.map(({ shape, dtype }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
    });
    body(tensors as CpuTensors<Inputs>, attrs, results);
    return outputs.map(({ shape, dtype, storage = 'float32' }, i) => {
      const values = results[i];
      if (values instanceof Float32Array) roundArrayToStorage(values, storage);
      const tensor = cpu.makeTensorInfo(shape, dtype, values);
      tagCpuStorage(tensor.dataId, storage);
      return tensor;
    });
  };
}
