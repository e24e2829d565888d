/** Values of a shader's function constants by name: `bool` or an integer. */
export type FunctionConstants = Readonly<Record<string, boolean | number>>;

/** Sizes in x, y and z. */
export type Size3 = readonly [x: number, y: number, z: number];

/** The variant, function constants and grid of a launch. */
export interface Launch {
  /** Suffix of the function's `[[host_name]]`, after `_`; for instance types. Default: none. */
  variant?: string;
  /** Function constants. Each set of values is compiled once. */
  constants?: FunctionConstants;
  /** Threadgroups in the grid. If one is 0, nothing is launched. */
  threadgroups: Size3;
  /** Threads per threadgroup. */
  threads: Size3;
  /** Bytes of threadgroup memory for the argument `threadgroup T* [[threadgroup(0)]]`. */
  threadgroupBytes?: number;
}
