import type { Checks } from '../checks.ts';

/**
 * Index in `values` of the largest element of row `row` of `width` elements; the first one if several are equal. Throws
 * `ERR_RANGE` for a row whose softmax is undefined: one with NaN or infinity, or with only -infinity.
 */
export function rowArgmax(
  checks: Checks,
  argument: string,
  values: Float32Array | Int32Array,
  row: number,
  width: number,
): number {
  const start = row * width;
  let best = start;
  for (let i = start; i < start + width; i++) {
    if (values[i] <= values[best]) continue; // false for NaN, too
    best = i;
    if (Number.isNaN(values[i])) break;
  }
  if (!Number.isFinite(values[best])) {
    const received = `${values[best]} at [${row}, ${best - start}]`;
    checks.fail('ERR_RANGE', argument, 'rows with no NaN and a finite maximum', received);
  }
  return best;
}
