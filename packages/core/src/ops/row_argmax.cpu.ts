/**
 * Index in `values` of the largest element of row `row` of `width` elements, the first of equals; -1 for a row whose softmax
 * is undefined: one that holds NaN or infinity, or nothing above -infinity.
 */
export function rowArgmax(values: Float32Array | Int32Array, row: number, width: number): number {
  const start = row * width;
  let best = start;
  for (let i = start; i < start + width; i++) {
    if (values[i] <= values[best]) continue; // false for NaN, too
    best = i;
    if (Number.isNaN(values[i])) break;
  }
  return Number.isFinite(values[best]) ? best : -1;
}
