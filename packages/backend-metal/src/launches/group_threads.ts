const MAX_THREADS = 256; // as in reduce.metal
const ELEMENTS_PER_THREAD = 16;

/** Threads of a threadgroup that processes `length` elements together: a power of two. */
export function groupThreads(length: number): number {
  let threads = 32;
  while (threads < MAX_THREADS && threads * ELEMENTS_PER_THREAD < length) threads *= 2;
  return threads;
}
