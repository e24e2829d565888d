import type { ParamFields, ParamsTable, ParamValues } from '@attention-js/backend-common';

/** The location of a kernel. */
export interface ShaderPlace {
  /** Stem of a file in a folder of kernels/metal; with `source`, a name for errors. */
  shader: string;
  function: string;
  /**
   * Your own source, in Metal Shading Language 3.1. It can include this package's headers: `#include "common/pack.h"`.
   */
  source?: string;
}

/** A function of a shader, with the bytes of its parameter struct. */
export class ShaderKernel<Name extends string = string, Fields extends ParamFields = ParamFields> {
  readonly place: ShaderPlace;
  readonly tensorNames: readonly string[];
  readonly table: ParamsTable<Fields>;
  /** The packed parameters of the last call. */
  readonly block: Uint8Array;
  /** Never set: carries the tensors' names in the type. */
  declare readonly tensors?: Name;
  readonly #view: DataView;

  /** @internal Use {@link shaderKernel}. */
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
 * Describes a kernel for {@link MetalBackend.run}. Its declaration in the shader is checked against this at the first
 * run.
 *
 * `shaderKernel('silu_and_mul', ['x', 'output'], paramsTable('GatedActivationParams', { width: 'uint32' }))`
 *
 * @param place Stem of the shader, if its function has the same name; otherwise a {@link ShaderPlace}.
 * @param tensors Names of the tensors in the order of `[[buffer(0)]]` and up, in camelCase, with `?` after optional
 * ones. If one is omitted, a small buffer is bound in its place, which the shader must not read.
 * @param table The struct that is bound after the tensors, as `constant Params& params`.
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
