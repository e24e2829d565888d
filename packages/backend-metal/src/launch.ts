/** Values of a shader's function constants by name: `bool` or an integer. */
export type FunctionConstants = Readonly<Record<string, boolean | number>>;

/** Sizes in x, y and z. */
export type Size3 = readonly [x: number, y: number, z: number];

/** How a kernel is run. */
export interface Launch {
  /** What follows the function's name and `_` in its `[[host_name]]`: types, for instance. Left out: nothing. */
  variant?: string;
  /** Function constants; each set of values is compiled once. */
  constants?: FunctionConstants;
  /** Threadgroups of the grid. If one of them is 0, nothing is run. */
  threadgroups: Size3;
  /** Threads of a threadgroup. */
  threads: Size3;
  /** Bytes of the argument `threadgroup T* [[threadgroup(0)]]`. */
  threadgroupBytes?: number;
}
