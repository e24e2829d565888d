import { engine, getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import type {
  DataType,
  KernelBackend,
  NamedAttrMap,
  NamedTensorMap,
  Tensor,
  TensorInfo,
} from '@tensorflow/tfjs-core';
import { Checks, describe, keysOf } from './checks.ts';
import { coreState } from './core_state.ts';
import { cpuTensors } from './cpu_kernel.ts';
import type { CpuTensors } from './cpu_kernel.ts';
import { AttentionError } from './errors.ts';
import { assertWritable, cpuValues, sharesMemory } from './storage/cpu_storage.ts';
import type { CpuBackend } from './storage/cpu_storage.ts';
import { checkUsable, guardMoves, storageOf } from './storage/storage_backend.ts';
import type { StorageType } from './storage/storage_types.ts';

/** The tensors that a caller passes for an op's inputs, which are `TensorInfo`s for its kernels. */
export type OpTensors<Inputs> = {
  [Name in keyof Inputs]: undefined extends Inputs[Name] ? Tensor | undefined : Tensor;
};

/** Shape, dtype and storage type of an output. */
export interface OutputSpec {
  /** Shape of the output. */
  shape: number[];
  /** tfjs dtype of the output. */
  dtype: Extract<DataType, 'float32' | 'int32'>;
  /** Storage type of a float32 output. Default `float32`. */
  storage?: StorageType;
}

/** The arguments of a kernel. */
export interface KernelCall<Inputs, Attributes> {
  /** The op's inputs: shapes, dtypes and data ids. */
  inputs: Inputs;
  /** The op's attributes. */
  attrs: Attributes;
  /** The outputs that the kernel must return, in order. */
  outputs: OutputSpec[];
  /** The tfjs backend for which the kernel was registered. */
  backend: KernelBackend;
}

/** Computes an op on one backend. Its arguments have been checked; it returns one tensor per element of `outputs`. */
export type OpKernel<Inputs, Attributes> = (call: KernelCall<Inputs, Attributes>) => TensorInfo[];

/** What a kernel can do beyond its op. */
export interface OpKernelOptions {
  /** Takes block types for the op's `blockInputs`. Default: only on `cpu`. */
  takesBlocks?: boolean;
}

/** Defines an op: its name, the inputs it accepts, its outputs, and its initial kernels. */
export interface OpDefinition<Inputs extends object, Attributes extends object> {
  /** UpperCamel name, which is also the tfjs kernel name. Error messages use its lowerCamel form. */
  name: string;
  /** Throws an {@link AttentionError} for invalid inputs or attributes. */
  check?(inputs: Inputs, attrs: Attributes): void;
  /**
   * Throws an {@link AttentionError} for invalid elements of the inputs: ids, positions, lengths. A reference kernel
   * calls it every time. A device kernel, which would have to wait for the elements, calls it only on request
   * (`ATTENTION_CHECK_BOUNDS=1`).
   */
  checkValues?(this: void, inputs: CpuTensors<Inputs>, attrs: Attributes): void;
  /** Specs of the outputs, given checked inputs and attributes; `[]` for an op that only writes in place. */
  outputs(inputs: Inputs, attrs: Attributes): OutputSpec[];
  /** Names of the inputs that may be `undefined`. */
  optional?: readonly (keyof Inputs & string)[];
  /** Names of the inputs that may have a block type. */
  blockInputs?: readonly (keyof Inputs & string)[];
  /** Names of the inputs that the kernel overwrites. They must not share data with other inputs. */
  mutates?: readonly (keyof Inputs & string)[];
  /** Kernels by tfjs backend name. */
  kernels?: Record<string, OpKernel<Inputs, Attributes>>;
}

/** A callable op, to which any package can add a kernel for its backend. */
export interface Op<Inputs extends object, Attributes extends object> {
  /**
   * Runs the op on the active tfjs backend.
   *
   * @throws AttentionError of the op's own checks; `ERR_DTYPE` for an input that is not a tensor and `ERR_DISPOSED` for a
   * disposed one; `ERR_UNSUPPORTED` when the active backend has no kernel for the op, or when the op writes in place while
   * a gradient is recorded or into data that another input shares.
   */
  (inputs: OpTensors<Inputs>, attrs: Attributes): Tensor[];
  /**
   * Throws the errors that a call would throw before its kernel runs. For code that makes several calls, all of them or
   * none.
   */
  check(this: void, inputs: OpTensors<Inputs>, attrs: Attributes): void;
  /** UpperCamel name, which is also the tfjs kernel name. */
  readonly kernelName: string;
  /** See {@link OpDefinition.checkValues}. */
  readonly checkValues?: OpDefinition<Inputs, Attributes>['checkValues'];
  /** Registers a kernel for the tfjs backend `backendName`, replacing an earlier one. */
  kernel(backendName: string, kernel: OpKernel<Inputs, Attributes>, options?: OpKernelOptions): void;
}

const definitionChecks = new Checks('defineOp');
const DEFINITION = keysOf<OpDefinition<object, object>>({
  name: true,
  check: true,
  checkValues: true,
  outputs: true,
  optional: true,
  blockInputs: true,
  mutates: true,
  kernels: true,
});

function checkDefinition(definition: OpDefinition<never, never>): void {
  definitionChecks.keys('definition', definition, DEFINITION);
  const { name, optional = [], blockInputs = [], mutates = [], kernels = {} } = definition;
  const isName = typeof name === 'string' && /^[A-Z][A-Za-z0-9]*$/.test(name);
  definitionChecks.expect(isName, 'ERR_RANGE', 'name', 'an UpperCamel name', describe(name));
  definitionChecks.object('kernels', kernels);
  const fields = definition as unknown as Record<string, unknown>;
  const named = ['outputs', 'check', 'checkValues'].filter(
    (key) => key === 'outputs' || fields[key] !== undefined,
  );
  for (const [argument, value] of [
    ...named.map((key) => [key, fields[key]] as const),
    ...Object.entries(kernels),
  ]) {
    definitionChecks.expect(
      typeof value === 'function',
      'ERR_DTYPE',
      argument,
      'a function',
      describe(value),
    );
  }
  for (const [argument, names] of Object.entries({ optional, blockInputs, mutates })) {
    const isList = Array.isArray(names) && names.every((input) => typeof input === 'string');
    definitionChecks.expect(isList, 'ERR_DTYPE', argument, 'an array of names of inputs', describe(names));
  }
}

/** Throws if another op or a kernel of tfjs has this name: the later one would replace the earlier one everywhere. */
function checkNameIsFree(name: string): void {
  const fail = (what: string): never =>
    definitionChecks.fail('ERR_UNSUPPORTED', 'name', 'one that nothing has yet', `"${name}", ${what}`);
  const known = coreState.ops.get(name);
  if (known) fail(known.isOurs ? 'an op of @attention-js/core' : 'which another defineOp has taken');
  for (const backendName of Object.keys(engine().registryFactory)) {
    if (getKernel(name, backendName)) fail(`a kernel of tfjs backend ${backendName}`);
  }
}

/**
 * Defines an op; each backend registers a kernel for it. The pattern is candle's `CustomOp`.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` for a name that another op or a kernel of tfjs has and for unknown keys;
 * `ERR_DTYPE`, `ERR_RANGE` for an invalid definition.
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
  checkDefinition(definition);
  checkNameIsFree(definition.name);
  coreState.ops.set(definition.name, { isOurs: false });
  return makeOp(definition, definition.kernels);
}

/**
 * {@link defineOp} for the ops of this package. A second copy of the package uses the kernels that the first one
 * registered.
 */
export function defineCoreOp<Inputs extends object, Attributes extends object>(
  definition: OpDefinition<Inputs, Attributes>,
): Op<Inputs, Attributes> {
  const { name, kernels } = definition;
  const isShared = coreState.ops.get(name)?.isOurs;
  if (!isShared) checkNameIsFree(name);
  coreState.ops.set(name, { isOurs: true });
  return makeOp(definition, isShared ? undefined : kernels);
}

function makeOp<Inputs extends object, Attributes extends object>(
  definition: OpDefinition<Inputs, Attributes>,
  kernels: OpDefinition<Inputs, Attributes>['kernels'] = {},
): Op<Inputs, Attributes> {
  const { name: kernelName, optional = [], blockInputs = [], mutates = [] } = definition;
  const opName = kernelName[0].toLowerCase() + kernelName.slice(1);
  const checks = new Checks(opName);
  const mayBeMissing = new Set<string>(optional);
  const mayBeBlocks = new Set<string>(blockInputs);
  const blockBackends = new Set<string>();
  const mutated = mutates.join(', ');

  const failWithoutKernel = (backendName: string): never => {
    throw new AttentionError('ERR_UNSUPPORTED', `[${opName}] no ${backendName} kernel`);
  };

  /** Checks a call, and returns its inputs without the omitted ones. */
  const checkCall = (inputs: OpTensors<Inputs>, attrs: Attributes): NamedTensorMap => {
    checks.object('inputs', inputs);
    checks.object('attrs', attrs);
    const given: NamedTensorMap = {};
    for (const argument of Object.keys(inputs)) {
      const tensor = (inputs as Record<string, Tensor | undefined>)[argument];
      // tfjs visits all inputs while it records a gradient, so none may be undefined.
      if (tensor === undefined && mayBeMissing.has(argument)) continue;
      checks.tensor(argument, tensor);
      if (coreState.hasBlockTensors) {
        if (!mayBeBlocks.has(argument)) checks.noBlocks(argument, tensor as Tensor);
        else if (!blockBackends.has(engine().backendName)) {
          checks.supportedStorage(argument, storageOf(tensor as Tensor));
        }
      }
      given[argument] = tensor as Tensor;
    }
    if (mutates.length > 0) checks.notRecorded(mutated);
    definition.check?.(inputs as Inputs, attrs);
    if (mutates.length > 0) checkWritten(checks, mutates, given);
    return given;
  };

  const run = (inputs: OpTensors<Inputs>, attrs: Attributes): Tensor[] => {
    const given = checkCall(inputs, attrs);
    const { backend, backendName } = engine(); // the getter of `backend` initializes the backend if necessary
    if (!backend) failWithoutKernel(backendName);
    try {
      return engine().runKernel<Tensor[]>(kernelName, given, attrs as NamedAttrMap);
    } catch (error) {
      if (!getKernel(kernelName, backendName)) failWithoutKernel(backendName); // tfjs has not found it either
      throw error;
    }
  };

  const op: Op<Inputs, Attributes> = Object.assign(run, {
    kernelName,
    check(inputs: OpTensors<Inputs>, attrs: Attributes): void {
      checkCall(inputs, attrs);
      const { backend, backendName } = engine();
      if (backendName === 'cpu') definition.checkValues?.(cpuTensors(backend as CpuBackend, inputs), attrs);
    },
    checkValues: definition.checkValues,
    kernel(
      backendName: string,
      kernel: OpKernel<Inputs, Attributes>,
      { takesBlocks = backendName === 'cpu' }: OpKernelOptions = {},
    ) {
      guardMoves();
      if (takesBlocks) blockBackends.add(backendName);
      else blockBackends.delete(backendName);
      if (getKernel(kernelName, backendName)) unregisterKernel(kernelName, backendName);
      registerKernel({
        kernelName,
        backendName,
        kernelFunc: ({ inputs, attrs, backend }) => {
          // tf.copyRegisteredKernels also copies our kernels. On another backend, one might write in place to a copy of
          // the memory.
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
  for (const [backendName, kernel] of Object.entries(kernels)) op.kernel(backendName, kernel);
  return op;
}

/** Throws unless the inputs that are overwritten can be written in place without changing any other input. */
function checkWritten(checks: Checks, mutates: readonly string[], inputs: NamedTensorMap): void {
  const { backend, backendName } = engine();
  for (const argument of Object.keys(inputs)) checkUsable(inputs[argument]);
  const cpu = backendName === 'cpu' ? (backend as CpuBackend) : undefined;
  for (const written of mutates) {
    const target = inputs[written];
    if (!target) continue; // optional
    const memory = cpu && cpuValues(cpu, target);
    if (memory) assertWritable(checks.op, written, memory, target.dtype);
    for (const argument of Object.keys(inputs)) {
      if (argument === written) continue;
      const other = inputs[argument];
      const isShared = memory ? sharesMemory(memory, cpuValues(cpu, other)) : false;
      if (other.dataId !== target.dataId && !isShared) continue;
      checks.fail('ERR_UNSUPPORTED', argument, 'its own data', `the data of ${written}`);
    }
  }
}
