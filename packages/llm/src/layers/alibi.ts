/** The slopes of `length` heads, a power of two. */
function series(length: number): number[] {
  return Array.from({ length }, (_, i) => 2 ** ((-8 * (i + 1)) / length));
}

/**
 * The slope of each head: a geometric series for a power of two of heads, and every other slope of the next longer series
 * for the heads beyond.
 *
 * @see Press et al., "Train Short, Test Long", 2021; the slopes that BLOOM was trained with.
 */
export function alibiSlopes(numHeads: number): number[] {
  const whole = 2 ** Math.floor(Math.log2(numHeads));
  const between = series(2 * whole).filter((_, i) => i % 2 === 0);
  return [...series(whole), ...between.slice(0, numHeads - whole)];
}
