import type { OpKernel } from '../define_op.ts';
import { cpuStorage, cpuValues } from '../storage/cpu_storage.ts';
import type { CpuBackend } from '../storage/cpu_storage.ts';
import type { AssignStorageInputs } from './assign_storage.ts';

export const assignStorageCpu: OpKernel<AssignStorageInputs, object> = ({ inputs, backend }) => {
  const values = cpuValues(backend as CpuBackend, inputs.source);
  cpuStorage(backend).assign(inputs.destination, values);
  return [];
};
