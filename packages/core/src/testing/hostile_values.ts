import * as tf from '@tensorflow/tfjs-core';
import type { Random } from './random.ts';

function detached(): Int32Array {
  const array = Int32Array.of(0, 1);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function disposed(): tf.Tensor {
  const tensor = tf.zeros([2]);
  tensor.dispose();
  return tensor;
}

/** Makers of values that callers may pass by mistake. */
const VALUES: readonly (() => unknown)[] = [
  () => null,
  () => undefined,
  ...[Number.NaN, Infinity, -Infinity, -1, 0, -0, 1, 1.5, 1e39, 1e-46, 2 ** 31, 2 ** 53, 2 ** 60].map(
    (n) => () => n,
  ),
  () => '',
  () => 'none',
  () => '__proto__',
  () => true,
  () => false,
  () => 1n,
  () => Symbol('s'),
  () => () => 1,
  () => [],
  () => [1, 2],
  () => [null],
  () => ['1'],
  () => [1n],
  () => [[1], [2]],
  () => Array.from({ length: 3 }),
  () => ({}),
  () => ({ length: 2 }),
  () => Object.create(null) as object,
  () => new Map([['scale', 1]]),
  () => new Date(0),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => new Uint8Array(8),
  () => new Float32Array(2),
  () => new Float64Array(2),
  () => new BigInt64Array(2),
  detached,
  () => new Uint8Array(detached().buffer.byteLength),
  disposed,
  () => ({ dataId: {}, shape: [2], dtype: 'float32', data() {}, dataSync() {}, throwIfDisposed() {} }),
];

/** A tensor with another rank, size or dtype than `value`. */
function tensorLike(random: Random, value: unknown): tf.Tensor {
  const shape: number[] = value instanceof tf.Tensor ? [...value.shape] : [2, 2];
  const axis = random.integer(0, Math.max(0, shape.length - 1));
  const changes: (() => tf.Tensor)[] = [
    () => tf.zeros(shape, random.pick(['float32', 'int32', 'bool'])),
    () => tf.zeros(shape.map((size, i) => (i === axis ? size + 1 : size))),
    () =>
      tf.zeros(
        shape.map((size, i) => (i === axis ? 0 : size)),
        value instanceof tf.Tensor ? value.dtype : 'int32',
      ),
    () => tf.zeros([...shape, 1]),
    () => tf.zeros(shape.slice(1)),
    () => tf.scalar(1),
    () => tf.tensor(['a', 'b']),
    () => tf.complex([1, 2], [3, 4]),
  ];
  return random.pick(changes)();
}

/** A wrong value to replace `value`. */
export function hostileValue(random: Random, value: unknown): unknown {
  return random.integer(0, 2) === 0 ? tensorLike(random, value) : random.pick(VALUES)();
}

/** Whether `value` is a plain object, such as options. */
export const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/** A copy of `args` in which one argument, or one property or element of it, is replaced, removed or added. */
export function spoil(random: Random, args: readonly unknown[]): unknown[] {
  const at = random.integer(0, args.length - 1);
  const spoiled = [...args];
  const value = args[at];
  if (isPlain(value) && random.integer(0, 3) > 0) {
    const keys = Object.keys(value);
    const key = random.integer(0, 5) === 0 || keys.length === 0 ? 'misspelt' : random.pick(keys);
    spoiled[at] = { ...value, [key]: hostileValue(random, value[key]) };
  } else if (Array.isArray(value) && value.length > 0 && random.integer(0, 1)) {
    const element = random.integer(0, value.length - 1);
    spoiled[at] = value.map((item: unknown, i) => (i === element ? hostileValue(random, item) : item));
  } else {
    spoiled[at] = hostileValue(random, value);
  }
  return spoiled;
}
