import './ops/index.ts';

export { registerCudaDevice } from './register.ts';
export { CudaBackend, cudaKernel } from './cuda_backend.ts';
export type { CudaMemoryInfo } from './cuda_backend.ts';
export { CudaModule } from './cuda_module.ts';
export type { ModuleLaunch, Size3 } from './cuda_module.ts';
export { operation } from './operation.ts';
export type { Operation } from './operation.ts';
export { float32, float64, int32, int64, pointer, uint32 } from './kernel_arguments.ts';
export type { ArgumentType, KernelArgument } from './kernel_arguments.ts';
