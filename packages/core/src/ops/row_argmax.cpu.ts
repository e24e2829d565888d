/**
 * Index in `values` of the largest element of row `row`, which has `width` elements; the first of equal ones. Returns
 * -1 if the row's softmax is undefined: it contains NaN or infinity, or nothing above -infinity.
 */
export function rowArgmax(values: Float32Array | Int32Array, row: number, width: number): number {
  const start = row * width;
  let best = start;
  for (let i = start; i < start + width; i++) {
    if (values[i] <= values[best]) continue; // also false for NaN
    best = i;
    if (Number.isNaN(values[i])) break;
  }
  return Number.isFinite(values[best]) ? best : -1;
}
