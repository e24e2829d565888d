import { cpuKernel } from '../cpu_kernel.ts';
import { rowArgmax } from './row_argmax.cpu.ts';
import type { TopkSoftmaxAttributes, TopkSoftmaxInputs } from './topk_softmax.ts';

export const topkSoftmaxCpu = cpuKernel<TopkSoftmaxInputs, TopkSoftmaxAttributes>(
  ({ routerLogits }, { k, renormalize }, [weights, ids]) => {
    const { values } = routerLogits;
    const [tokens, numExperts] = routerLogits.shape;
    for (let token = 0; token < tokens; token++) {
      const start = token * numExperts;
      const largest = rowArgmax(values, token, numExperts);
      const first = token * k;
      selectLargest(values, start, numExperts, ids, first, k);
      if (largest === -1) {
        weights.fill(Number.NaN, first, first + k);
        continue;
      }
      const maximum = values[largest];

      let total = 0;
      if (renormalize) {
        for (let j = first; j < first + k; j++) total += Math.exp(values[start + ids[j]] - maximum);
      } else {
        for (let i = start; i < start + numExperts; i++) total += Math.exp(values[i] - maximum);
      }
      for (let j = first; j < first + k; j++) {
        weights[j] = Math.exp(values[start + ids[j]] - maximum) / total;
      }
    }
  },
);

/** Writes the offsets of the `k` largest of `values[start..start+width)` to `ids[first..]`, largest first. */
function selectLargest(
  values: Float32Array | Int32Array,
  start: number,
  width: number,
  ids: Float32Array | Int32Array,
  first: number,
  k: number,
): void {
  for (let id = 0; id < width; id++) {
    const value = values[start + id];
    // Insertion sort from the end: a later element never passes an equal one, so of equal ones the lower id comes
    // first.
    let rank = Math.min(id, k);
    while (rank > 0 && values[start + ids[first + rank - 1]] < value) {
      if (rank < k) ids[first + rank] = ids[first + rank - 1];
      rank--;
    }
    if (rank < k) ids[first + rank] = id;
  }
}
