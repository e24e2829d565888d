import type { Launch } from './launch.ts';

const MAX_THREADS = 256;

/**
 * A grid for shaders whose threads walk along x in strides of the grid: enough threads for `items` of work, of which a
 * thread takes about `itemsPerThread`, in each of `rows` along y.
 */
export function stridedGrid(
  items: number,
  itemsPerThread: number,
  rows = 1,
): Pick<Launch, 'threadgroups' | 'threads'> {
  const wanted = Math.ceil(items / itemsPerThread);
  const threads = Math.max(1, Math.min(MAX_THREADS, wanted));
  return { threadgroups: [Math.ceil(wanted / threads), rows, 1], threads: [threads, 1, 1] };
}

/** Elements in one access of the shaders' vectorized paths; those need rows of a multiple of it. */
export const PACK = 8;

/** Whether all of `lengths` are multiples of {@link PACK}. */
export function isVectorized(...lengths: number[]): boolean {
  return lengths.every((length) => length % PACK === 0);
}
