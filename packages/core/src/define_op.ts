import { engine, getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type {
  DataType,
  KernelBackend,
  NamedAttrMap,
  NamedTensorMap,
  Tensor,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { Checks } from './checks.ts';
import type { CpuTensors } from './cpu_kernel.ts';
import { AttentionError } from './errors.ts';
import { guardMoves } from './storage/storage_backend.ts';
import type { StorageType } from './storage/storage_types.ts';

/** The named inputs of an op, `TensorInfo`s for its kernels, as the tensors that a caller passes. */
export type OpTensors<Inputs> = {
  [Name in keyof Inputs]: undefined extends Inputs[Name] ? Tensor | undefined : Tensor;
};

/** Shape, dtype and storage type of a tensor that an op gives back. */
export interface OutputSpec {
  /** Shape of the output. */
  shape: number[];
  /** tfjs dtype of the output. */
  dtype: Extract<DataType, 'float32' | 'int32'>;
  /** Storage type of a float32 output; `float32` where it is left out. */
  storage?: StorageType;
}

/** What a kernel is called with. */
export interface KernelCall<Inputs, Attributes> {
  /** The op's inputs: shapes, dtypes and data ids. */
  inputs: Inputs;
  /** The op's attributes. */
  attrs: Attributes;
  /** What the kernel has to return, in order. */
  outputs: OutputSpec[];
  /** The tfjs backend the kernel was registered for. */
  backend: KernelBackend;
}

/** Computes an op on one backend. Its arguments were checked; it returns a tensor for each of `outputs`. */
export type OpKernel<Inputs, Attributes> = (call: KernelCall<Inputs, Attributes>) => TensorInfo[];

/** An op: what it is called, what it accepts, what it returns, and the kernels it starts out with. */
export interface OpDefinition<Inputs extends object, Attributes extends object> {
  /** UpperCamel name; the tfjs kernel name. Error messages use its lowerCamel form. */
  name: string;
  /** Throws an {@link AttentionError} for inputs or attributes that the op does not accept. */
  check?(inputs: Inputs, attrs: Attributes): void;
  /**
   * Throws an {@link AttentionError} for elements of the inputs that the op does not accept: ids, positions, lengths. A
   * reference kernel calls it each time; a device, which would have to wait for the elements, only on request
   * (`ATTENTION_CHECK_BOUNDS=1`).
   */
  checkValues?(this: void, inputs: CpuTensors<Inputs>, attrs: Attributes): void;
  /** Specs of the outputs, from checked inputs and attributes; `[]` for an op that only writes in place. */
  outputs(inputs: Inputs, attrs: Attributes): OutputSpec[];
  /** Names of the inputs that may be `undefined`. */
  optional?: readonly (keyof Inputs & string)[];
  /** Names of the inputs that the kernel overwrites. */
  mutates?: readonly (keyof Inputs & string)[];
  /** Kernels by tfjs backend name. */
  kernels?: Record<string, OpKernel<Inputs, Attributes>>;
}

/** An op that can be called, and that any package can give a kernel for its backend. */
export interface Op<Inputs extends object, Attributes extends object> {
  /**
   * Runs the op on the active tfjs backend.
   *
   * @throws AttentionError of the op's own checks; `ERR_DTYPE` for an input that is no tensor and `ERR_DISPOSED` for a
   * disposed one; `ERR_UNSUPPORTED` when the active backend has no kernel for the op, or when the op writes in place while
   * a gradient is recorded.
   */
  (inputs: OpTensors<Inputs>, attrs: Attributes): Tensor[];
  /** UpperCamel name; the tfjs kernel name. */
  readonly kernelName: string;
  /** See {@link OpDefinition.checkValues}. */
  readonly checkValues?: OpDefinition<Inputs, Attributes>['checkValues'];
  /** Gives the op a kernel for the tfjs backend `backendName`; replaces an earlier one. */
  kernel(backendName: string, kernel: OpKernel<Inputs, Attributes>): void;
}

/**
 * Defines an op once; each backend gives it a kernel. The pattern is candle's `CustomOp`.
 *
 * @example
 * ```ts
 * const scaleShift = defineOp({
 *   name: 'ScaleShift',
 *   outputs: ({ x }: { x: TensorInfo }, _attrs: { scale: number; shift: number }) => [{ shape: x.shape, dtype: 'float32' }],
 *   kernels: { cpu: cpuKernel(({ x }, { scale, shift }, [y]) => x.values.forEach((v, i) => (y[i] = v * scale + shift))) },
 * });
 * const [y] = scaleShift({ x }, { scale: 2, shift: 1 });
 * ```
 */
export function defineOp<Inputs extends object, Attributes extends object>(
  definition: OpDefinition<Inputs, Attributes>,
): Op<Inputs, Attributes> {
  const { name: kernelName, optional = [], mutates = [] } = definition;
  const opName = kernelName[0].toLowerCase() + kernelName.slice(1);
  const checks = new Checks(opName);
  const mayBeMissing = new Set<string>(optional);
  const mutated = mutates.join(', ');

  const failWithoutKernel = (backendName: string): never => {
    throw new AttentionError('ERR_UNSUPPORTED', `[${opName}] no ${backendName} kernel`);
  };

  const run = (inputs: OpTensors<Inputs>, attrs: Attributes): Tensor[] => {
    const given: NamedTensorMap = {};
    for (const argument of Object.keys(inputs)) {
      const tensor = (inputs as Record<string, Tensor | undefined>)[argument];
      // tfjs walks all inputs while it records a gradient: none may be undefined.
      if (tensor === undefined && mayBeMissing.has(argument)) continue;
      checks.tensor(argument, tensor);
      given[argument] = tensor as Tensor;
    }
    if (mutates.length > 0) checks.notRecorded(mutated);
    definition.check?.(inputs as Inputs, attrs);
    const { backend, backendName } = engine(); // the getter of `backend` initializes it where nobody has
    if (!backend) failWithoutKernel(backendName);
    try {
      return engine().runKernel<Tensor[]>(kernelName, given, attrs as NamedAttrMap);
    } catch (error) {
      if (!getKernel(kernelName, backendName)) failWithoutKernel(backendName); // tfjs looked for it, too
      throw error;
    }
  };

  const op: Op<Inputs, Attributes> = Object.assign(run, {
    kernelName,
    checkValues: definition.checkValues,
    kernel(backendName: string, kernel: OpKernel<Inputs, Attributes>) {
      guardMoves();
      if (getKernel(kernelName, backendName)) unregisterKernel(kernelName, backendName);
      registerKernel({
        kernelName,
        backendName,
        kernelFunc: ({ inputs, attrs, backend }) => {
          // tf.copyRegisteredKernels takes our kernels along. Elsewhere one may write in place into a copy of the memory.
          const active = engine().backendName;
          if (active !== backendName) failWithoutKernel(active);
          return kernel({
            inputs: inputs as Inputs,
            attrs: attrs as Attributes,
            outputs: definition.outputs(inputs as Inputs, attrs as Attributes),
            backend: backend as KernelBackend,
          });
        },
      });
    },
  });
  for (const [backendName, kernel] of Object.entries(definition.kernels ?? {}))
    op.kernel(backendName, kernel);
  return op;
}
