import { cpuKernel } from '../cpu_kernel.ts';
import type { MergeAttentionStatesInputs } from './merge_attention_states.ts';

export const mergeAttentionStatesCpu = cpuKernel<MergeAttentionStatesInputs, object>(
  ({ outputs, lses }, _attrs, [output, lse]) => {
    const [parts, , , headSize] = outputs.shape;
    const rows = lse.length;
    const weights = new Float64Array(parts);
    for (let row = 0; row < rows; row++) {
      let maximum = Number.NEGATIVE_INFINITY;
      for (let part = 0; part < parts; part++) maximum = Math.max(maximum, lses.values[part * rows + row]);
      lse[row] = maximum;
      if (maximum === Number.NEGATIVE_INFINITY) continue;
      let denominator = 0;
      for (let part = 0; part < parts; part++) {
        weights[part] = Math.exp(lses.values[part * rows + row] - maximum);
        denominator += weights[part];
      }
      lse[row] = maximum + Math.log(denominator);
      for (let d = 0; d < headSize; d++) {
        let sum = 0;
        for (let part = 0; part < parts; part++) {
          // Skips empty parts: their output may hold NaN.
          if (weights[part] !== 0) sum += weights[part] * outputs.values[(part * rows + row) * headSize + d];
        }
        output[row * headSize + d] = sum / denominator;
      }
    }
  },
);
