import type { Checks } from '../checks.ts';

/** Checks that `cuSeqlens` starts at 0, never decreases and ends within `rows`. */
export function checkCuSeqlens(
  checks: Checks,
  argument: string,
  cuSeqlens: ArrayLike<number>,
  rows: number,
): void {
  if (cuSeqlens[0] !== 0) checks.fail('ERR_RANGE', `${argument}[0]`, '0', cuSeqlens[0]);
  for (let i = 1; i < cuSeqlens.length; i++) {
    if (cuSeqlens[i] >= cuSeqlens[i - 1] && cuSeqlens[i] <= rows) continue;
    checks.fail('ERR_RANGE', `${argument}[${i}]`, `${cuSeqlens[i - 1]} to ${rows}`, cuSeqlens[i]);
  }
}
