import { cpuKernel } from '../cpu_kernel.ts';
import type { CastStorageAttributes, CastStorageInputs } from './cast_storage.ts';

export const castStorageCpu = cpuKernel<CastStorageInputs, CastStorageAttributes>(
  ({ x }, _attrs, [output]) => output.set(x.values), // cpuKernel rounds outputs to their storage type
);
