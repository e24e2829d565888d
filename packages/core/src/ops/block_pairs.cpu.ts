import type { CpuTensor } from '../cpu_kernel.ts';
import { assertWritable } from '../storage/cpu_storage.ts';

/** Copies blocks of `source` to blocks of `destination`, which error messages call `argument`. */
export function copyBlockPairs(
  op: string,
  argument: string,
  source: CpuTensor,
  destination: CpuTensor,
  pairs: Int32Array,
): void {
  assertWritable(op, argument, destination.values);
  const blockLength = source.shape.slice(1).reduce((product, length) => product * length, 1);
  for (let i = 0; i < pairs.length; i += 2) {
    const from = pairs[i] * blockLength;
    destination.values.set(source.values.subarray(from, from + blockLength), pairs[i + 1] * blockLength);
  }
}
