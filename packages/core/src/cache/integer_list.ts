import { describe } from '../checks.ts';
import type { Checks } from '../checks.ts';

const MAX_INT32 = 2 ** 31 - 1;

/**
 * Throws unless `values` is an array or typed array of int32 values of at least `minimum`.
 *
 * @param expected What the error expects if the value is not a list.
 */
export function checkIntegerList(
  checks: Checks,
  argument: string,
  values: ArrayLike<number>,
  minimum: number,
  expected = 'an array of integers',
): void {
  const isList = Array.isArray(values) || (ArrayBuffer.isView(values) && !(values instanceof DataView));
  checks.expect(isList, 'ERR_DTYPE', argument, expected, describe(values));
  checks.expect(
    !isDetached(values),
    'ERR_DISPOSED',
    argument,
    expected,
    'an array whose memory was given away',
  );
  for (let i = 0; i < values.length; i++) {
    const value: unknown = values[i];
    if (typeof value === 'number' && value === (value | 0) && value >= minimum) continue;
    checks.integer(`${argument}[${i}]`, value as number, minimum, MAX_INT32);
  }
}

/** Whether a typed array's buffer was transferred, which leaves it with length 0. */
function isDetached(values: ArrayLike<number>): boolean {
  if (values.length > 0 || !ArrayBuffer.isView(values)) return false;
  try {
    values.buffer.slice(0, 0); // throws for a detached buffer; the property `detached` needs Node 22
    return false;
  } catch {
    return true;
  }
}
