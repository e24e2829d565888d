import type { ParamFields, ParamsTable, ParamValues } from '@attention-js/backend-common';

/** Where a kernel is. */
export interface ShaderPlace {
  /** Stem of a file in a folder of kernels/metal, or what errors call `source`. */
  shader: string;
  function: string;
  /** Your own source: Metal Shading Language 3.1. `#include "common/pack.h"` finds the headers of this package. */
  source?: string;
}

/** A function of a shader, and the bytes of its parameter struct. */
export class ShaderKernel<Name extends string = string, Fields extends ParamFields = ParamFields> {
  readonly place: ShaderPlace;
  readonly tensorNames: readonly string[];
  readonly table: ParamsTable<Fields>;
  /** The packed parameters of the last call. */
  readonly block: Uint8Array;
  /** Never set: tells types which tensors there are. */
  declare readonly tensors?: Name;
  readonly #view: DataView;

  /** @internal Made by {@link shaderKernel}. */
  constructor(place: ShaderPlace, tensors: readonly Name[], table: ParamsTable<Fields>) {
    this.place = place;
    this.tensorNames = tensors.map((tensor) => tensor.replace(/\?$/, ''));
    this.table = table;
    this.block = new Uint8Array(table.byteLength);
    this.#view = new DataView(this.block.buffer);
  }

  /** Packs the parameters into {@link block}. */
  packParams(values: ParamValues<Fields>): void {
    this.table.pack(this.#view, 0, values);
  }
}

/**
 * Describes a kernel for {@link MetalBackend.run}; when it is first run, its declaration in the shader is compared with this.
 *
 * `shaderKernel('silu_and_mul', ['x', 'output'], paramsTable('GatedActivationParams', { width: 'uint32' }))`
 *
 * @param place Stem of the shader, whose function has the same name, or more of its place.
 * @param tensors Names of the tensors in the order of `[[buffer(0)]]` and up, in camelCase, with a `?` after those that may be
 * left out: a small buffer is bound in their place, which must not be read.
 * @param table The struct that is bound after them, as `constant Params& params`.
 */
export function shaderKernel<const Name extends string, const Fields extends ParamFields>(
  place: string | ShaderPlace,
  tensors: readonly Name[],
  table: ParamsTable<Fields>,
): ShaderKernel<Name, Fields> {
  return new ShaderKernel(
    typeof place === 'string' ? { shader: place, function: place } : place,
    tensors,
    table,
  );
}
