import type { TensorInfo } from '@tensorflow/tfjs-core';
import { coreState } from './core_state.ts';
import type { OpKernel } from './define_op.ts';
import { cpuValues, tagCpuStorage } from './storage/cpu_storage.ts';
import type { CpuBackend } from './storage/cpu_storage.ts';
import { cpuBlocks, makeBlockTensor } from './storage/cpu_blocks.ts';
import { roundArrayToStorage } from './storage/half_precision.ts';
import { encodeStorageBytes } from './storage/storage_bytes.ts';
import { isBlockStorage } from './storage/storage_types.ts';
import type { BlockStorage } from './storage/storage_types.ts';

/** A tensor as reference kernels receive it. `values` is the tensor's own memory, not a copy. */
export interface CpuTensor {
  /** Shape of the tensor. */
  shape: number[];
  /** Elements in row-major order; empty for a tensor in a block type. */
  values: Float32Array | Int32Array;
  /** The data of a tensor in a block type. */
  blocks?: { bytes: Uint8Array; storage: BlockStorage };
  /** Identity of the data; storage type: `storageOf(tensor)`. */
  dataId: TensorInfo['dataId'];
}

/** The inputs of a reference kernel. */
export type CpuTensors<Inputs> = {
  [Name in keyof Inputs]: undefined extends Inputs[Name] ? CpuTensor | undefined : CpuTensor;
};

/** Computes an op on typed arrays: reads `inputs` and fills each of `outputs`, which are initially zero. */
export type CpuKernelBody<Inputs, Attributes> = (
  inputs: CpuTensors<Inputs>,
  attrs: Attributes,
  outputs: (Float32Array | Int32Array)[],
) => void;

/**
 * Makes an op's kernel for tfjs's `cpu` backend from a function on typed arrays. Outputs are then rounded to their
 * storage type; `body` itself writes and rounds inputs that the op mutates.
 */
export function cpuKernel<Inputs extends object, Attributes>(
  body: CpuKernelBody<Inputs, Attributes>,
): OpKernel<Inputs, Attributes> {
  return ({ inputs, attrs, outputs, backend }) => {
    const cpu = backend as CpuBackend;
    const results = outputs.map(({ shape, dtype }) => {
      const size = shape.reduce((product, length) => product * length, 1);
      return dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
    });
    body(cpuTensors(cpu, inputs), attrs, results);
    return outputs.map(({ shape, dtype, storage = 'float32' }, i) => {
      const values = results[i];
      if (isBlockStorage(storage)) {
        return makeBlockTensor(cpu, encodeStorageBytes(values, storage), shape, storage);
      }
      if (values instanceof Float32Array) roundArrayToStorage(values, storage);
      const tensor = cpu.makeTensorInfo(shape, dtype, values);
      tagCpuStorage(tensor.dataId, storage);
      return tensor;
    });
  };
}

/** An op's inputs as a reference kernel sees them. */
export function cpuTensors<Inputs extends object>(backend: CpuBackend, inputs: object): CpuTensors<Inputs> {
  const tensors: Record<string, CpuTensor | undefined> = {};
  for (const [name, input] of Object.entries(inputs) as [string, TensorInfo | undefined][]) {
    tensors[name] = input && cpuTensor(backend, input);
  }
  return tensors as CpuTensors<Inputs>;
}

const NO_VALUES = new Float32Array(0);

function cpuTensor(backend: CpuBackend, { shape, dataId }: TensorInfo): CpuTensor {
  const storage = coreState.cpuStorageTypes.get(dataId) ?? 'float32';
  if (!isBlockStorage(storage))
    return { shape, dataId, values: cpuValues(backend, { shape, dataId } as TensorInfo) };
  const bytes = cpuBlocks(backend, { dataId });
  return { shape, dataId, values: NO_VALUES, blocks: { bytes, storage } };
}
