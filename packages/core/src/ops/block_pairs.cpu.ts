import type { CpuTensor } from '../cpu_kernel.ts';

/** Copies blocks of `source` to blocks of `destination`. */
export function copyBlockPairs(source: CpuTensor, destination: CpuTensor, pairs: Int32Array): void {
  const blockLength = source.shape.slice(1).reduce((product, length) => product * length, 1);
  for (let i = 0; i < pairs.length; i += 2) {
    const from = pairs[i] * blockLength;
    destination.values.set(source.values.subarray(from, from + blockLength), pairs[i + 1] * blockLength);
  }
}
