export { AttentionError } from './errors.ts';
export type { AttentionErrorCode } from './errors.ts';
export { defineOp } from './define_op.ts';
export type {
  KernelCall,
  Op,
  OpDefinition,
  OpKernel,
  OpKernelOptions,
  OpTensors,
  OutputSpec,
} from './define_op.ts';
export { cpuKernel } from './cpu_kernel.ts';
export type { CpuKernelBody, CpuTensor, CpuTensors } from './cpu_kernel.ts';
export { sharedState } from './shared_state.ts';
export type { PackageCopy, SharedState } from './shared_state.ts';
export { Checks } from './checks.ts';
export type { ExpectedDimension } from './checks.ts';
export * from './storage/index.ts';
export * from './ops/index.ts';
export * from './cache/index.ts';
export * from './layers/index.ts';
