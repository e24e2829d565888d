import { setImmediate } from 'node:timers/promises';

/** Writes the rows of a table from `firstRow` on to `rows`. */
export type FillRows = (rows: Float32Array, firstRow: number) => void;

/** Numbers that are computed at once: some milliseconds. */
const SLICE = 2 ** 16;

/** Computes a table `[rows, columns]` some rows at a time, so that other work of the process goes on. */
export async function computeTable(
  [rows, columns]: readonly [number, number],
  fill: FillRows,
): Promise<Float32Array> {
  const values = new Float32Array(rows * columns);
  const step = Math.max(1, Math.floor(SLICE / columns));
  for (let row = 0; row < rows; row += step) {
    if (row > 0) await setImmediate();
    fill(values.subarray(row * columns, (row + step) * columns), row);
  }
  return values;
}
