import { checkLayout, toSnakeCase } from '@attention-js/backend-common';
import type { ParamFields, ParamsTable, ParamValues } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';

/** Bytes per tensor in a parameter struct: its address and its element type. */
const TENSOR_BYTES = 16;

/** The addon's description of a launcher. */
export interface NativeOperation {
  /** In lowerCamel case. */
  name: string;
  /** Names in C++, separated by commas. */
  tensors: string;
  /** In the format of {@link ParamsTable}'s `layout`. */
  layout: string;
  /** Bytes of the struct, including tensors. */
  byteLength: number;
}

const all: Operation[] = [];

/** A launcher of kernels/cuda, and the block of bytes it is called with: its tensors, then its other parameters. */
export class Operation<Name extends string = string, Fields extends ParamFields = ParamFields> {
  readonly name: string;
  readonly tensorNames: readonly string[];
  readonly table: ParamsTable<Fields>;
  /** Names of the tensors that may have block types. */
  readonly weights: ReadonlySet<string>;
  /** The launcher's parameter struct. Each call overwrites it. */
  readonly block: ArrayBuffer;
  /** Index among the addon's operations, set when the addon is loaded. */
  index = -1;
  readonly #view: DataView;

  /** @internal Use {@link operation}. */
  constructor(
    name: string,
    tensors: readonly Name[],
    table: ParamsTable<Fields>,
    weights: readonly Name[] = [],
  ) {
    this.name = name;
    this.tensorNames = tensors.map((tensor) => tensor.replace(/\?$/, ''));
    this.table = table;
    this.weights = new Set(weights);
    this.block = new ArrayBuffer(TENSOR_BYTES * tensors.length + Math.ceil(table.byteLength / 8) * 8);
    this.#view = new DataView(this.block);
  }

  /** Writes the `index`th tensor. */
  packTensor(index: number, address: number, elementType: number): void {
    const offset = TENSOR_BYTES * index;
    this.#view.setUint32(offset, address, true); // modulo 2³²
    this.#view.setUint32(offset + 4, address / 0x1_0000_0000, true);
    this.#view.setUint32(offset + 8, elementType, true);
  }

  /** Writes the parameters that follow the tensors. */
  packParams(values: ParamValues<Fields>): void {
    this.table.pack(this.#view, TENSOR_BYTES * this.tensorNames.length, values);
  }

  /** @internal Finds the launcher in the addon and checks that its struct matches this table. */
  bind(natives: readonly NativeOperation[]): void {
    const index = natives.findIndex(({ name }) => name === this.name);
    if (index < 0) this.#fail('name', 'an operation of the addon', 'none');
    const { tensors, layout, byteLength } = natives[index];
    const expected = this.tensorNames.map(toSnakeCase).join();
    if (tensors !== expected) this.#fail('tensors', expected, tensors);
    checkLayout(this.name, this.table, layout);
    if (byteLength !== this.block.byteLength) {
      this.#fail('byteLength', String(this.block.byteLength), String(byteLength));
    }
    this.index = index;
  }

  #fail(what: string, expected: string, received: string): never {
    throw new AttentionError(
      'ERR_ADDON_MISSING',
      `[${this.name}] ${what}: expected ${expected}, received ${received}; ` +
        'the addon and TypeScript must be built from the same sources',
    );
  }
}

/** @internal All operations described so far. */
export const operations = (): readonly Operation[] => all;

/** The addon's operations, once it is loaded. */
let loaded: readonly NativeOperation[] | undefined;

/**
 * Describes a launcher of kernels/cuda, for {@link CudaBackend.run}:
 * `operation('siluAndMul', ['x', 'output'], paramsTable('GatedActivationParams', { rows: 'int64', width: 'int32' }))`.
 *
 * @param name The launcher's name in lowerCamel case.
 * @param tensors Names of the tensors in the order of the C++ struct, with `?` after those that may be omitted.
 * @param table The struct's other fields.
 * @param weights Names of the tensors that may have block types: those of type `WeightOperand` in C++.
 * @throws AttentionError `ERR_ADDON_MISSING` if the addon is already loaded and its struct differs.
 */
export function operation<const Name extends string, const Fields extends ParamFields>(
  name: string,
  tensors: readonly Name[],
  table: ParamsTable<Fields>,
  weights: readonly NoInfer<Name>[] = [],
): Operation<Name, Fields> {
  const made = new Operation(name, tensors, table, weights);
  if (loaded) made.bind(loaded);
  all.push(made);
  return made;
}

/**
 * Binds all operations to the addon's launchers.
 *
 * @throws AttentionError `ERR_ADDON_MISSING` if a launcher is missing or its struct differs.
 */
export function bindOperations(natives: readonly NativeOperation[]): void {
  for (const each of all) each.bind(natives);
  loaded = natives;
}
