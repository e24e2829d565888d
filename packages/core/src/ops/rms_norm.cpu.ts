import { cpuKernel } from '../cpu_kernel.ts';
import { roundArrayToStorage } from '../storage/half_precision.ts';
import { elementStorageOf } from '../storage/storage_backend.ts';
import type { RmsNormAttributes, RmsNormInputs } from './rms_norm.ts';

export const rmsNormCpu = cpuKernel<RmsNormInputs, RmsNormAttributes>(
  ({ x, weight, residual }, { epsilon, addUnitOffset }, [normed, sum]) => {
    let summands = x.values;
    if (residual) {
      for (let i = 0; i < sum.length; i++) sum[i] = x.values[i] + residual.values[i];
      roundArrayToStorage(sum as Float32Array, elementStorageOf(x));
      summands = sum;
    }
    const width = weight.values.length;
    const offset = addUnitOffset ? 1 : 0;
    for (let start = 0; start < normed.length; start += width) {
      let squares = 0;
      for (let i = start; i < start + width; i++) squares += summands[i] * summands[i];
      const scale = 1 / Math.sqrt(squares / width + epsilon);
      for (let i = 0; i < width; i++) {
        normed[start + i] = summands[start + i] * scale * (weight.values[i] + offset);
      }
    }
  },
);
