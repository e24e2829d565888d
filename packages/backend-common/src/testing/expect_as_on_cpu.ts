import { decodeStorageBytes, encodeStorageBytes, storageOf, tensorFromStorage } from '@attention-js/core';
import type { ElementStorage } from '@attention-js/core';
import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { Random } from '../../../core/src/testing/random.ts';

/** An input of a tfjs op: float32 values in a storage type, or int32 or bool values. */
export interface Input {
  values: number[] | Float32Array;
  shape: number[];
  dtype?: 'float32' | 'int32' | 'bool';
  storage?: ElementStorage;
}

/** Largest error of an element, relative to the larger of 1 and its magnitude. */
const BOUNDS: Readonly<Record<ElementStorage, number>> = { float32: 1e-5, float16: 2e-3, bfloat16: 1e-2 };

export const STORAGES: readonly ElementStorage[] = ['float32', 'float16', 'bfloat16'];

const random = new Random(7);

/** Normally distributed values. */
export function normal(shape: number[], storage: ElementStorage = 'float32', scale = 1): Input {
  return { values: random.normal(tf.util.sizeFromShape(shape), scale), shape, storage };
}

/** Integers from `low` to `high`. */
export function integers(
  shape: number[],
  low: number,
  high: number,
  dtype: 'int32' | 'bool' = 'int32',
): Input {
  const size = tf.util.sizeFromShape(shape);
  return { values: Array.from({ length: size }, () => random.integer(low, high)), shape, dtype };
}

function makeTensor({ values, shape, dtype = 'float32', storage = 'float32' }: Input): tf.Tensor {
  if (dtype !== 'float32') return tf.tensor(values, shape, dtype);
  return tensorFromStorage(encodeStorageBytes(Float32Array.from(values), storage), shape, storage);
}

/** Runs `body` on a backend, and fails if one of tfjs's kernels falls back to the CPU. */
function withoutFallback<Result>(backendName: string, body: () => Result): Result {
  const flag = `${backendName.toUpperCase()}_CPU_FALLBACK`;
  tf.env().set(flag, 'error');
  try {
    return body();
  } finally {
    tf.env().set(flag, 'warn');
  }
}

/**
 * Runs `op` on `cpu`, which computes in float64 on the rounded inputs, and on the active backend. Expects the same
 * shapes, dtypes and values, and from the active backend the storage type `storage` and no cpu fallback.
 */
export async function expectAsOnCpu(
  inputs: readonly Input[],
  op: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
  { storage = 'float32', bound = BOUNDS[storage] }: { storage?: ElementStorage; bound?: number } = {},
): Promise<void> {
  const run = (): tf.Tensor[] => [op(...inputs.map(makeTensor))].flat();
  const backendName = tf.getBackend();
  await tf.setBackend('cpu');
  const references = tf.tidy(() =>
    run().map((tensor) => ({ shape: tensor.shape, dtype: tensor.dtype, values: tensor.dataSync() })),
  );
  await tf.setBackend(backendName);
  const results = withoutFallback(backendName, run);
  expect(results).toHaveLength(references.length);
  for (const [i, { shape, dtype, values }] of references.entries()) {
    expect(results[i].shape).toEqual(shape);
    expect(results[i].dtype).toBe(dtype);
    expect(storageOf(results[i])).toBe(dtype === 'float32' ? storage : 'float32');
    const isFloat = dtype === 'float32';
    const rounded = isFloat
      ? decodeStorageBytes(
          encodeStorageBytes(Float32Array.from(values as ArrayLike<number>), storage),
          storage,
        )
      : values;
    expectClose(results[i].dataSync(), rounded, isFloat ? bound : 0);
  }
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const [received, wanted] = [actual[i], expected[i]];
    if (Object.is(received, wanted) || received === wanted) continue;
    const isClose = Math.abs(received - wanted) <= bound * Math.max(1, Math.abs(wanted));
    if (!isClose) expect({ element: i, value: received }).toEqual({ element: i, value: wanted });
  }
}
