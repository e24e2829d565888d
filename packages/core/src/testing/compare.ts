import type { Tensor } from '@tensorflow/tfjs-core';
import { expect } from '@jest/globals';
import { AttentionError } from '../errors.ts';
import type { AttentionErrorCode } from '../errors.ts';
import { storageOf } from '../storage/storage_backend.ts';
import type { ElementStorage } from '../storage/storage_types.ts';

/** Largest relative error ‖Δ‖/‖reference‖ against float64 that an op may have per storage type. */
export const TOLERANCE: Readonly<Record<ElementStorage, number>> = {
  float32: 1e-5,
  float16: 2e-3,
  bfloat16: 1e-2,
};

/** ‖actual − reference‖ / ‖reference‖; infinite if NaNs or infinities differ. */
export function relativeError(actual: ArrayLike<number>, reference: ArrayLike<number>): number {
  expect(actual).toHaveLength(reference.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < reference.length; i++) {
    if (Object.is(actual[i], reference[i]) || actual[i] === reference[i]) {
      if (Number.isFinite(reference[i])) norm += reference[i] ** 2;
      continue;
    }
    if (!Number.isFinite(actual[i]) || !Number.isFinite(reference[i])) return Number.POSITIVE_INFINITY;
    difference += (actual[i] - reference[i]) ** 2;
    norm += reference[i] ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}

/** Expects the shape and storage type, and values within the storage type's tolerance of a float64 reference. */
export function expectMatches(
  actual: Tensor,
  reference: ArrayLike<number>,
  shape: number[],
  storage: ElementStorage = 'float32',
): void {
  expect(actual.shape).toEqual(shape);
  expect(storageOf(actual)).toBe(storage);
  expect(relativeError(actual.dataSync(), reference)).toBeLessThanOrEqual(TOLERANCE[storage]);
}

/**
 * Expects two computations of the same result to agree: bit for bit on `cpu`, within float32's tolerance on a device,
 * where another batch shape may change the order of summation.
 */
export function expectAgrees(
  backendName: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): void {
  const bound = backendName === 'cpu' ? 0 : TOLERANCE.float32;
  expect(relativeError(actual, expected)).toBeLessThanOrEqual(bound);
}

/** Expects `call` to throw an AttentionError with this code and this exact message. */
export function expectAttentionError(
  call: () => unknown,
  code: AttentionErrorCode,
  message: string | RegExp,
): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AttentionError);
  expect((thrown as AttentionError).code).toBe(code);
  if (typeof message === 'string') expect((thrown as AttentionError).message).toBe(message);
  else expect((thrown as AttentionError).message).toMatch(message);
}
