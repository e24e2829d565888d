import type { Checks } from '../checks.ts';

/**
 * Index in `values` of the largest element of row `row` of `width` elements, the first of equals. Throws `ERR_RANGE`
 * for a row whose softmax is undefined: one that holds NaN or infinity, or nothing above -infinity.
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
    // A NaN compares false with everything, so it becomes the best and stays it.
    if (!(values[i] <= values[best])) best = i;
    if (Number.isNaN(values[best])) break;
  }
  const valid = Number.isFinite(values[best]);
  const received = valid ? '' : `${values[best]} at [${row}, ${best - start}]`;
  checks.expect(valid, 'ERR_RANGE', argument, 'rows without NaN and with a finite maximum', received);
  return best;
}
