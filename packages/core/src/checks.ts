import { Tensor, engine } from '@tensorflow/tfjs-core';
import type { DataType, TensorInfo } from '@tensorflow/tfjs-core';
import { AttentionError } from './errors.ts';
import type { AttentionErrorCode } from './errors.ts';
import { storageOf } from './storage/storage_backend.ts';
import { ELEMENT_STORAGE_TYPES, STORAGE_FORMATS, isBlockStorage } from './storage/storage_types.ts';
import type { StorageType } from './storage/storage_types.ts';

/** Limits on what `describe` shows of nested or long values. */
const [MAX_DEPTH, MAX_ELEMENTS, MAX_CHARACTERS] = [3, 8, 100];

/**
 * Formats a received value for error messages: `[7, 30, 128]`, `"text"`, `float32 tensor of shape [2]`. An ellipsis
 * replaces the rest of long or deeply nested values.
 */
export function describe(value: unknown): string {
  return describeAt(0, value);
}

function describeAt(depth: number, value: unknown): string {
  if (value instanceof Tensor) return `${value.dtype} tensor of shape [${value.shape.join(', ')}]`;
  if (Array.isArray(value)) {
    if (depth === MAX_DEPTH) return '[…]';
    const shown = value.slice(0, MAX_ELEMENTS).map((item) => describeAt(depth + 1, item));
    return `[${[...shown, ...(value.length > MAX_ELEMENTS ? ['…'] : [])].join(', ')}]`;
  }
  if (typeof value === 'string') {
    return JSON.stringify(value.length > MAX_CHARACTERS ? `${value.slice(0, MAX_CHARACTERS)}…` : value);
  }
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'object';
  return String(value);
}

/** A count with its noun: `1 token`, `2 tokens`. */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The names of an object's properties. `table` lists each of them, so that the compiler detects a missing one. */
export function keysOf<T extends object>(table: Readonly<Record<keyof T & string, true>>): readonly string[] {
  return Object.keys(table);
}

/** Whether `value` stays finite, and nonzero if it is nonzero, when rounded to float32. */
export function fitsFloat32(value: number): boolean {
  const rounded = Math.fround(value);
  return Number.isFinite(rounded) && (rounded !== 0 || value === 0);
}

/** Whether an array's memory was transferred to another thread, which leaves its length at 0. */
export function isDetached({ buffer, length }: Int32Array | Uint8Array | Float32Array): boolean {
  if (length > 0) return false;
  try {
    void new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** An expected dimension: a fixed size, or a name for any size. */
export type ExpectedDimension = number | string;

/**
 * Input checks shared by ops. Every method throws an {@link AttentionError} of the form `[op] argument: expected …,
 * received …` or returns.
 */
export class Checks {
  readonly op: string;

  /** @param op Name of the function the user called, e.g. `siluAndMul`. */
  constructor(op: string) {
    this.op = op;
  }

  /** Throws the error for `argument`. `received` is formatted by `describe`, unless it is a string. */
  fail(code: AttentionErrorCode, argument: string, expected: string, received: unknown): never {
    const text = typeof received === 'string' ? received : describe(received);
    throw new AttentionError(code, `[${this.op}] ${argument}: expected ${expected}, received ${text}`);
  }

  /** Throws the error for `argument` unless `valid`. */
  expect(
    valid: boolean,
    code: AttentionErrorCode,
    argument: string,
    expected: string,
    received: unknown,
  ): void {
    if (!valid) this.fail(code, argument, expected, received);
  }

  /** Throws unless `value` is a tensor that is not disposed. */
  tensor(argument: string, value: unknown): void {
    if (!(value instanceof Tensor)) this.fail('ERR_DTYPE', argument, 'a Tensor', describe(value));
    if (value.isDisposed) this.fail('ERR_DISPOSED', argument, 'a live tensor', 'a disposed one');
    // tfjs accepts any object with the fields of a tensor.
    if (engine().state.tensorInfo.has(value.dataId)) return;
    this.fail('ERR_DTYPE', argument, 'a Tensor', 'one whose data tfjs does not hold');
  }

  /** Throws unless `value` is an object. Its properties are checked one by one elsewhere. */
  object(argument: string, value: unknown): void {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
    this.fail('ERR_DTYPE', argument, 'an object', describe(value));
  }

  /** Throws if `value` has properties other than `known`, so that a misspelt option is not ignored. */
  keys(argument: string, value: object, known: readonly string[]): void {
    this.object(argument, value);
    for (const key in value) {
      if (known.includes(key)) continue;
      this.fail('ERR_UNSUPPORTED', argument, `only ${known.join(', ')}`, describe(key));
    }
  }

  /** Throws while a gradient is recorded: gradients through data that is overwritten in place would be wrong. */
  notRecorded(argument: string): void {
    if (!engine().isTapeOn()) return;
    this.fail(
      'ERR_UNSUPPORTED',
      argument,
      'no gradient recording, since it is written in place',
      'a call inside tf.grad or tf.variableGrads',
    );
  }

  /** Throws unless `tensor` has the dimensions in `expected`. A named dimension may have any size. */
  shape(argument: string, tensor: TensorInfo, expected: readonly ExpectedDimension[], condition = ''): void {
    const { shape } = tensor;
    let fits = shape.length === expected.length;
    for (let axis = 0; fits && axis < expected.length; axis++) {
      fits = typeof expected[axis] === 'string' || expected[axis] === shape[axis];
    }
    if (!fits) this.fail('ERR_SHAPE', argument, `shape [${expected.join(', ')}]${condition}`, shape);
  }

  /** Throws `ERR_SHAPE` unless `valid`, for rules on the shape of `tensor` that fixed sizes cannot express. */
  expectShape(valid: boolean, argument: string, tensor: TensorInfo, expected: string): void {
    if (!valid) this.fail('ERR_SHAPE', argument, expected, tensor.shape);
  }

  /** Throws unless `tensor` has one of the given dtypes. */
  dtype(argument: string, tensor: TensorInfo, ...expected: DataType[]): void {
    if (!expected.includes(tensor.dtype)) {
      this.fail('ERR_DTYPE', argument, expected.join(' or '), tensor.dtype);
    }
  }

  /** Throws unless `tensor` has dtype float32 and one of the given storage types. */
  storage(argument: string, tensor: TensorInfo, ...expected: StorageType[]): void {
    this.dtype(argument, tensor, 'float32');
    const storage = storageOf(tensor);
    if (!expected.includes(storage)) {
      this.fail('ERR_DTYPE', argument, `storage ${[...new Set(expected)].join(' or ')}`, storage);
    }
  }

  /** Throws unless `tensor` has dtype float32 and the storage type of `like`. */
  sameStorage(argument: string, tensor: TensorInfo, likeArgument: string, like: TensorInfo): void {
    this.dtype(argument, tensor, 'float32');
    const storage = storageOf(tensor);
    const expected = storageOf(like);
    if (storage !== expected) {
      this.fail('ERR_DTYPE', argument, `storage ${expected} to match ${likeArgument}`, storage);
    }
  }

  /** Throws if `tensor` is a quantized weight. */
  noBlocks(argument: string, tensor: TensorInfo): void {
    const storage = storageOf(tensor);
    if (!isBlockStorage(storage)) return;
    this.fail('ERR_DTYPE', argument, `storage ${ELEMENT_STORAGE_TYPES.join(' or ')}`, storage);
  }

  /** Throws if `storage` is a block type and the active backend is not `cpu`. */
  supportedStorage(argument: string, storage: StorageType): void {
    const { backendName } = engine();
    if (backendName === 'cpu' || !isBlockStorage(storage)) return;
    const expected = `storage ${ELEMENT_STORAGE_TYPES.join(' or ')} on ${backendName}`;
    this.fail('ERR_UNSUPPORTED', argument, expected, storage);
  }

  /** Throws unless `tensor`, a weight, has a block type or has dtype float32 and the storage type of `like`. */
  weightStorage(argument: string, tensor: TensorInfo, likeArgument: string, like: TensorInfo): void {
    const storage = storageOf(tensor);
    if (!isBlockStorage(storage)) this.sameStorage(argument, tensor, likeArgument, like);
    else this.wholeBlocks(argument, tensor.shape, storage);
  }

  /** Throws unless rows of `shape` are whole blocks of `storage`. */
  wholeBlocks(argument: string, shape: readonly number[], storage: StorageType): void {
    const { blockLength } = STORAGE_FORMATS[storage];
    const columns = shape.at(-1) ?? 1;
    if (columns % blockLength === 0) return;
    const expected = `a last dimension that is a multiple of ${blockLength} for ${storage}`;
    this.fail('ERR_SHAPE', argument, expected, shape);
  }

  /** Throws unless `value` is an integer from `minimum` to `maximum`. */
  integer(argument: string, value: number, minimum: number, maximum = Number.MAX_SAFE_INTEGER): void {
    if (Number.isInteger(value) && value >= minimum && value <= maximum) return;
    const upper = maximum === Number.MAX_SAFE_INTEGER ? '' : ` and <= ${maximum}`;
    this.fail('ERR_RANGE', argument, `an integer >= ${minimum}${upper}`, describe(value));
  }

  /**
   * Throws unless `value` is a finite number, and greater than `above` if given. This also holds after rounding to
   * float32, in which kernels compute: there 1e39 would be infinite and 1e-46 zero.
   */
  finite(argument: string, value: number, above = Number.NEGATIVE_INFINITY): void {
    const bound = above === Number.NEGATIVE_INFINITY ? '' : ` > ${above}`;
    const valid = Number.isFinite(value) && value > above;
    if (!valid) this.fail('ERR_RANGE', argument, `a finite number${bound}`, describe(value));
    if (!fitsFloat32(value)) this.fail('ERR_RANGE', argument, `a number${bound} that fits float32`, value);
  }

  /** Throws unless `value`, a hint that sizes grids, is `undefined` or an integer of at least 0. */
  hint(argument: string, value: number | undefined): void {
    if (value !== undefined) this.integer(argument, value, 0);
  }

  /** Throws unless `value` is one of `allowed`. */
  oneOf(argument: string, value: unknown, allowed: readonly unknown[]): void {
    if (allowed.includes(value)) return;
    const expected = `one of ${allowed.map((item) => describe(item)).join(', ')}`;
    this.fail('ERR_RANGE', argument, expected, describe(value));
  }
}
