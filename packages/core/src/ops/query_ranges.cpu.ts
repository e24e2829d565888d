import type { Checks } from '../checks.ts';

/** Checks on `cpu`, where reading is free, that `cuSeqlens` starts at 0, never falls and ends within `rows`. */
export function checkCuSeqlens(
  checks: Checks,
  argument: string,
  cuSeqlens: ArrayLike<number>,
  rows: number,
): void {
  const values = Array.from(cuSeqlens);
  const valid = values[0] === 0 && values.every((start, i) => i === 0 || start >= values[i - 1]);
  const last = values[values.length - 1];
  checks.expect(
    valid && last <= rows,
    'ERR_RANGE',
    argument,
    `non-decreasing from 0 to at most ${rows}`,
    values,
  );
}
