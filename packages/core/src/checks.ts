import { Tensor } from '@tensorflow/tfjs-core';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { AttentionError } from './errors.ts';
import type { AttentionErrorCode } from './errors.ts';
import { storageOf } from './storage/storage_backend.ts';

/** Writes a received value the way error messages show it: `[7, 30, 128]`, `"text"`, `float32 tensor`. */
export function describe(value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype} tensor of shape [${value.shape.join(', ')}]`;
  if (Array.isArray(value)) return `[${value.map(describe).join(', ')}]`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'object';
  return String(value);
}

/** A dimension that a shape must have: a fixed size, or a name for a size that is free. */
export type ExpectedDimension = number | string;

/**
 * The input rules that ops share. Every method throws an {@link AttentionError} of the form
 * `[op] argument: expected …, received …` and otherwise returns nothing.
 */
export class Checks {
  readonly op: string;

  /** @param op Name of the function the user called, e.g. `siluAndMul`. */
  constructor(op: string) {
    this.op = op;
  }

  /** Throws the error for `argument` unless `valid`. */
  expect(
    valid: boolean,
    code: AttentionErrorCode,
    argument: string,
    expected: string,
    received: unknown,
  ): void {
    if (!valid) {
      const text = typeof received === 'string' ? received : describe(received);
      throw new AttentionError(code, `[${this.op}] ${argument}: expected ${expected}, received ${text}`);
    }
  }

  /** `tensor` has the dimensions of `expected`; a named dimension may have any size. */
  shape(argument: string, tensor: TensorInfo, expected: readonly ExpectedDimension[], condition = ''): void {
    const { shape } = tensor;
    const fits =
      shape.length === expected.length &&
      expected.every((size, axis) => typeof size === 'string' || size === shape[axis]);
    this.shapeThat(fits, argument, tensor, `shape [${expected.join(', ')}]${condition}`);
  }

  /** The shape of `tensor` satisfies a rule that sizes alone do not express. */
  shapeThat(valid: boolean, argument: string, tensor: TensorInfo, expected: string): void {
    this.expect(valid, 'ERR_SHAPE', argument, expected, tensor.shape);
  }

  /** `tensor` is of one of the given dtypes. */
  dtype(argument: string, tensor: TensorInfo, ...expected: DataType[]): void {
    this.expect(expected.includes(tensor.dtype), 'ERR_DTYPE', argument, expected.join(' or '), tensor.dtype);
  }

  /** `tensor` is float32 in dtype and has the storage type of `like`. */
  sameStorage(argument: string, tensor: TensorInfo, likeArgument: string, like: TensorInfo): void {
    this.dtype(argument, tensor, 'float32');
    const [storage, expected] = [storageOf(tensor), storageOf(like)];
    this.expect(
      storage === expected,
      'ERR_DTYPE',
      argument,
      `storage ${expected} as ${likeArgument} has`,
      storage,
    );
  }

  /** `value` is an integer of at least `minimum`. */
  integer(argument: string, value: number, minimum: number, maximum = Number.MAX_SAFE_INTEGER): void {
    const valid = Number.isInteger(value) && value >= minimum && value <= maximum;
    const upper = maximum === Number.MAX_SAFE_INTEGER ? '' : ` and <= ${maximum}`;
    this.expect(valid, 'ERR_RANGE', argument, `an integer >= ${minimum}${upper}`, value);
  }

  /** `value` is a finite number, and greater than `above` where that is given. */
  finite(argument: string, value: number, above = Number.NEGATIVE_INFINITY): void {
    const valid = Number.isFinite(value) && value > above;
    const bound = above === Number.NEGATIVE_INFINITY ? '' : ` > ${above}`;
    this.expect(valid, 'ERR_RANGE', argument, `a finite number${bound}`, value);
  }

  /** `value` is one of `allowed`. */
  oneOf(argument: string, value: unknown, allowed: readonly unknown[]): void {
    const expected = `one of ${allowed.map((item) => describe(item)).join(', ')}`;
    this.expect(allowed.includes(value), 'ERR_RANGE', argument, expected, describe(value));
  }
}
