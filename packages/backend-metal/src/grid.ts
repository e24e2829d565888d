import type { Launch } from './launch.ts';

const MAX_THREADS = 256;

/**
 * A grid for shaders with grid-stride loops along x: enough threads for `items`, about `itemsPerThread` each, in each
 * of `rows` rows along y.
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

/** Elements per access in the shaders' vectorized paths, which require row lengths that are a multiple of it. */
export const PACK = 8;

/** Whether all of `lengths` are multiples of {@link PACK}. */
export function isVectorized(...lengths: number[]): boolean {
  return lengths.every((length) => length % PACK === 0);
}
