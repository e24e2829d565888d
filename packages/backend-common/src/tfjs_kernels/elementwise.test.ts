import { describe, expect, test } from '@jest/globals';
import { storageOf, tensorFromStorage, encodeStorageBytes } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { fill } from '@tensorflow/tfjs-core';
import { STORAGES, expectAsOnCpu, integers, normal } from '../testing/expect_as_on_cpu.ts';
import type { Input } from '../testing/expect_as_on_cpu.ts';
import { describeOnDevices } from '../../../core/src/testing/backends.ts';

const special = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  1e-6,
  -1e-6,
  88,
  -88,
  1e30,
  Infinity,
  -Infinity,
  NaN,
];

type Unary = (x: tf.Tensor) => tf.Tensor;

/** Operations grouped by the domain on which they are defined; they also get other numbers. */
const unaryOperations: Record<string, Unary> = {
  abs: (x) => tf.abs(x),
  acos: (x) => tf.acos(x),
  acosh: (x) => tf.acosh(x),
  asin: (x) => tf.asin(x),
  asinh: (x) => tf.asinh(x),
  atan: (x) => tf.atan(x),
  atanh: (x) => tf.atanh(x),
  ceil: (x) => tf.ceil(x),
  clipByValue: (x) => tf.clipByValue(x, -0.5, 1),
  cos: (x) => tf.cos(x),
  elu: (x) => tf.elu(x),
  exp: (x) => tf.exp(x),
  expm1: (x) => tf.expm1(x),
  floor: (x) => tf.floor(x),
  isFinite: (x) => tf.isFinite(x),
  isInf: (x) => tf.isInf(x),
  isNaN: (x) => tf.isNaN(x),
  leakyRelu: (x) => tf.leakyRelu(x, 0.3),
  log: (x) => tf.log(x),
  log1p: (x) => tf.log1p(x),
  neg: (x) => tf.neg(x),
  reciprocal: (x) => tf.reciprocal(x),
  relu: (x) => tf.relu(x),
  relu6: (x) => tf.relu6(x),
  round: (x) => tf.round(x),
  rsqrt: (x) => tf.rsqrt(x),
  selu: (x) => tf.selu(x),
  sigmoid: (x) => tf.sigmoid(x),
  sign: (x) => tf.sign(x),
  sin: (x) => tf.sin(x),
  softplus: (x) => tf.softplus(x),
  sqrt: (x) => tf.sqrt(x),
  square: (x) => tf.square(x),
  step: (x) => tf.step(x, 0.25),
  tanh: (x) => tf.tanh(x),
};

/** Operations that grow or oscillate so fast that large inputs exceed float32's precision. */
const tame: Record<string, Unary> = {
  cosh: (x) => tf.cosh(x),
  sinh: (x) => tf.sinh(x),
  erf: (x) => tf.erf(x),
};

const withSpecials = (input: Input): Input => {
  const values = [
    ...special.filter((value) => Math.abs(value) < 100 || !Number.isFinite(value)),
    ...input.values,
  ];
  return { ...input, values, shape: [values.length] };
};

const asFloat32 = (input: Input): Input => ({ ...input, dtype: 'float32' });

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;

const arithmetic: Record<string, Binary> = {
  add: (a, b) => tf.add(a, b),
  sub: (a, b) => tf.sub(a, b),
  mul: (a, b) => tf.mul(a, b),
  maximum: (a, b) => tf.maximum(a, b),
  minimum: (a, b) => tf.minimum(a, b),
  squaredDifference: (a, b) => tf.squaredDifference(a, b),
};
const comparisons: Record<string, Binary> = {
  equal: (a, b) => tf.equal(a, b),
  notEqual: (a, b) => tf.notEqual(a, b),
  less: (a, b) => tf.less(a, b),
  lessEqual: (a, b) => tf.lessEqual(a, b),
  greater: (a, b) => tf.greater(a, b),
  greaterEqual: (a, b) => tf.greaterEqual(a, b),
};

const broadcasts = [
  [
    [40, 33],
    [40, 33],
  ],
  [[40, 33], [33]],
  [
    [40, 33],
    [40, 1],
  ],
  [[40, 33], []],
  [[], []],
  [
    [5, 1, 7],
    [1, 6, 7],
  ],
  [
    [2, 1, 3, 1, 2],
    [3, 1, 5, 1],
  ],
  [[0, 3], [3]],
];

/** Compares elementwise operations with those of `cpu`. */
describeOnDevices('operations on elements', () => {
  describe.each(STORAGES)('%s', (storage) => {
    test.each(Object.entries(unaryOperations))('%s', async (_, operation) => {
      await expectAsOnCpu([withSpecials(normal([3000], storage, 2))], operation, { storage });
    });

    test.each(Object.entries(tame))('%s', async (_, operation) => {
      await expectAsOnCpu([normal([3000], storage, 2)], operation, { storage });
    });

    test.each([...Object.entries(arithmetic), ...Object.entries(comparisons)])('%s', async (_, operation) => {
      for (const [a, b] of broadcasts) {
        await expectAsOnCpu([normal(a, storage), normal(b, storage)], operation, { storage });
        await expectAsOnCpu([normal(b, storage), normal(a, storage)], operation, { storage });
      }
    });

    test('division, remainders, powers and angles', async () => {
      const a = normal([500], storage, 10);
      const b: Input = { ...normal([500], storage, 3) };
      b.values = Float32Array.from(b.values, (value) => value + Math.sign(value));
      for (const operation of [tf.div, tf.atan2, tf.prelu] as Binary[]) {
        await expectAsOnCpu([a, b], operation, { storage });
      }
      const positive = { ...a, values: Float32Array.from(a.values, (value) => Math.abs(value) / 10 + 0.1) };
      await expectAsOnCpu([positive, b], (x, y) => tf.pow(x, y), {
        storage,
        bound: storage === 'float32' ? 1e-4 : undefined,
      });
    });

    test('a number or a scalar does not widen the result', () => {
      const x = tensorFromStorage(encodeStorageBytes(Float32Array.of(1, 2), storage), [2], storage);
      for (const result of [tf.mul(x, 2), tf.add(tf.scalar(1), x), tf.maximum(x, 0), tf.sub(1, x)]) {
        expect(storageOf(result)).toBe(storage);
      }
      expect(storageOf(tf.add(x, tf.tensor1d([1, 2])))).toBe('float32');
    });
  });

  test('special numbers', async () => {
    const pairs = special.flatMap((a) => special.map((b) => [a, b]));
    const [a, b] = [0, 1].map((i): Input => ({
      values: pairs.map((pair) => pair[i]),
      shape: [pairs.length],
    }));
    for (const operation of [
      ...Object.values(arithmetic),
      ...Object.values(comparisons),
      tf.div,
      tf.pow,
    ] as Binary[]) {
      await expectAsOnCpu([a, b], operation);
    }
  });

  test('remainders and quotients of integers with every pair of signs', async () => {
    const a = integers([400], -50, 50);
    const b = integers([400], -7, 7);
    for (const operation of [tf.mod, tf.floorDiv] as Binary[]) {
      await expectAsOnCpu([a, b], operation);
      await expectAsOnCpu([asFloat32(a), asFloat32(b)], operation);
    }
    await expectAsOnCpu(
      [
        { values: [1, 5, -1], shape: [3] },
        { values: [0.1, 0.3, 0.1], shape: [3] },
      ],
      tf.floorDiv,
    );
  });

  test('integers', async () => {
    const inputs = [integers([30, 40], -1000, 1000), integers([40], -1000, 1000)];
    for (const operation of [...Object.values(arithmetic), ...Object.values(comparisons)]) {
      await expectAsOnCpu(inputs, operation);
    }
    await expectAsOnCpu([integers([50], -9, 9), integers([50], -2, 6)], (a, b) => tf.pow(a, b));
    for (const operation of ['abs', 'neg', 'relu', 'relu6', 'sign', 'square']) {
      await expectAsOnCpu([inputs[0]], unaryOperations[operation]);
    }
  });

  test('booleans', async () => {
    const inputs = [integers([30, 40], 0, 1, 'bool'), integers([40], 0, 1, 'bool')];
    for (const operation of [tf.logicalAnd, tf.logicalOr, tf.logicalXor, tf.equal, tf.less] as Binary[]) {
      await expectAsOnCpu(inputs, operation);
    }
    await expectAsOnCpu([inputs[0]], (x) => tf.logicalNot(x));
  });

  test('casts', async () => {
    const numbers = [0, -0, 1.9, -1.9, 2 ** 31, -(2 ** 31), 2 ** 32 + 512, -(2 ** 40), Infinity, NaN, 0.5];
    const float: Input = { values: numbers, shape: [numbers.length] };
    const whole = integers([100], -(2 ** 30), 2 ** 30);
    const truth = integers([100], 0, 1, 'bool');
    for (const dtype of ['float32', 'int32', 'bool'] as const) {
      for (const input of [float, whole, truth]) await expectAsOnCpu([input], (x) => tf.cast(x, dtype));
    }
    await expectAsOnCpu([normal([100], 'float16', 10)], (x) => tf.cast(x, 'int32'));
  });

  test('a sum of several', async () => {
    await expectAsOnCpu([normal([50]), normal([50]), normal([50])], (a, b, c) => tf.addN([a, b, c]));
  });

  test('choices, fills, ranges and ones', async () => {
    for (const storage of STORAGES) {
      const condition = integers([20, 30], 0, 1, 'bool');
      const inputs = [condition, normal([20, 30], storage), normal([20, 30], storage)];
      await expectAsOnCpu(inputs, (c, t, e) => tf.where(c, t, e), { storage });
      await expectAsOnCpu([normal([30], storage)], (x) => [tf.zerosLike(x), tf.onesLike(x)], { storage });
    }
    await expectAsOnCpu(
      [integers([6], 0, 1, 'bool'), integers([6, 5], 0, 9), integers([6, 5], 0, 9)],
      (c, t, e) => tf.where(tf.reshape(c, [6, 1]), t, e),
    );
    await expectAsOnCpu([], () => [
      fill([1000], 0.1),
      fill([3, 4], -7, 'int32'),
      tf.range(0, 100, 3, 'int32'),
      tf.range(5, 2),
      tf.range(2.5, -3, -0.5),
      tf.range(3, 3),
      tf.range(0, 5, -1),
    ]);
    await expectAsOnCpu([integers([40], -1, 9)], (x) => [tf.oneHot(x, 8), tf.oneHot(x, 8, 3, -2, 'float32')]);
  });
});
