import { cpuKernel } from '../cpu_kernel.ts';
import { decodeBlocks } from '../storage/storage_bytes.ts';
import type { CastStorageAttributes, CastStorageInputs } from './cast_storage.ts';

export const castStorageCpu = cpuKernel<CastStorageInputs, CastStorageAttributes>(
  ({ x }, _attrs, [output]) => {
    // cpuKernel rounds and quantizes outputs to their storage type.
    if (!x.blocks) output.set(x.values);
    else decodeBlocks(x.blocks.bytes, 0, x.blocks.storage, output as Float32Array, 0, output.length);
  },
);
