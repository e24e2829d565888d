import './register.ts';
import './ops/index.ts';

export { MetalBackend, metalKernel } from './metal_backend.ts';
export { shaderKernel } from './shader_kernel.ts';
export type { ShaderKernel, ShaderPlace } from './shader_kernel.ts';
export type { FunctionConstants, Launch, Size3 } from './launch.ts';
export { paramsTable } from '@attention-js/backend-common';
export type { ParamsTable } from '@attention-js/backend-common';
