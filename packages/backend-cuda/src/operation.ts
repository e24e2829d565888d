import { checkLayout, toSnakeCase } from '@attention-js/backend-common';
import type { ParamFields, ParamsTable, ParamValues } from '@attention-js/backend-common';
import { AttentionError } from '@attention-js/core';

/** Bytes of a tensor in a parameter struct: its address and its element type. */
const TENSOR_BYTES = 16;

/** A launcher as the addon describes it. */
export interface NativeOperation {
  /** In lowerCamel case. */
  name: string;
  /** Names in C++, joined by commas. */
  tensors: string;
  /** As `layout` of a {@link ParamsTable}. */
  layout: string;
  /** Bytes of the struct, tensors included. */
  byteLength: number;
}

const all: Operation[] = [];

/** A launcher of kernels/cuda, and the bytes that it is called with: its tensors, then its other parameters. */
export class Operation<Name extends string = string, Fields extends ParamFields = ParamFields> {
  readonly name: string;
  readonly tensorNames: readonly string[];
  readonly table: ParamsTable<Fields>;
  /** What the addon reads: its parameter struct. Each call overwrites it. */
  readonly block: ArrayBuffer;
  /** Place among the addon's operations, once it is loaded. */
  index = -1;
  readonly #view: DataView;

  /** @internal Made by {@link operation}. */
  constructor(name: string, tensors: readonly Name[], table: ParamsTable<Fields>) {
    this.name = name;
    this.tensorNames = tensors.map((tensor) => tensor.replace(/\?$/, ''));
    this.table = table;
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

  /** Writes what follows the tensors. */
  packParams(values: ParamValues<Fields>): void {
    this.table.pack(this.#view, TENSOR_BYTES * this.tensorNames.length, values);
  }

  /** @internal Finds the launcher in the addon, and compares its struct with this table. */
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

/** @internal All operations that were described so far. */
export const operations = (): readonly Operation[] => all;

/** The operations of the addon, once it is loaded. */
let loaded: readonly NativeOperation[] | undefined;

/**
 * Describes a launcher of kernels/cuda, for {@link CudaBackend.run}:
 * `operation('siluAndMul', ['x', 'output'], paramsTable('GatedActivationParams', { rows: 'int64', width: 'int32' }))`.
 *
 * @param name The launcher's name in lowerCamel case.
 * @param tensors Tensors in the order of the C++ struct, with a `?` after the names of those that may be left out.
 * @param table The struct's other fields.
 * @throws AttentionError `ERR_ADDON_MISSING` if the addon is loaded and has another struct.
 */
export function operation<const Name extends string, const Fields extends ParamFields>(
  name: string,
  tensors: readonly Name[],
  table: ParamsTable<Fields>,
): Operation<Name, Fields> {
  const made = new Operation(name, tensors, table);
  if (loaded) made.bind(loaded);
  all.push(made);
  return made;
}

/**
 * Finds the launchers of all operations in the addon.
 *
 * @throws AttentionError `ERR_ADDON_MISSING` for the first whose struct is another one there.
 */
export function bindOperations(natives: readonly NativeOperation[]): void {
  for (const each of all) each.bind(natives);
  loaded = natives;
}
