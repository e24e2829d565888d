import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Param } from './params.ts';
import type { ShaderLibrary } from './shader_library.ts';

/** Values of a shader's function constants by name: `bool` or an integer. */
export type FunctionConstants = Readonly<Record<string, boolean | number>>;

/** Sizes in x, y and z. */
export type Size3 = readonly [x: number, y: number, z: number];

/** One launch of a shader. */
export interface Dispatch {
  /** Stem of a file in kernels/metal, or a library made of shader source. */
  shader: string | ShaderLibrary;
  /** The `[[host_name]]` of the function, or its name where it has none. */
  function: string;
  /** Function constants; each set of values is compiled once. */
  constants?: FunctionConstants;
  /** Bound to `[[buffer(0)]]` and up, in this order. For `undefined` a small buffer is bound that must not be read. */
  buffers: readonly (TensorInfo | undefined)[];
  /** Fields of the struct that is bound after the buffers, as `constant Params&`. Left out: none is bound. */
  params?: readonly Param[];
  /** Threadgroups of the grid. Where one of them is 0 nothing is run. */
  threadgroups: Size3;
  /** Threads of a threadgroup. */
  threads: Size3;
  /** Bytes of the argument `threadgroup T* [[threadgroup(0)]]`. */
  threadgroupBytes?: number;
}
