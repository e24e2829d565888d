import './register.ts';
import './ops/index.ts';

export { MetalBackend } from './metal_backend.ts';
export type { ShaderLibrary } from './shader_library.ts';
export type { Dispatch, FunctionConstants, Size3 } from './dispatch.ts';
export { metalKernel } from './metal_kernel.ts';
export type { MetalKernelCall } from './metal_kernel.ts';
export { float32, int32, uint32, uint64 } from './params.ts';
export type { Param, ParamType } from './params.ts';
