import * as tf from '@tensorflow/tfjs-core';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import { Checks } from './checks.ts';
import { cpuKernel } from './cpu_kernel.ts';
import { defineOp } from './define_op.ts';
import type { OpDefinition } from './define_op.ts';
import type { AttentionErrorCode } from './errors.ts';
import { linear } from './ops/linear.ts';
import { storageOf } from './storage/storage_backend.ts';
import { tensorFromStorage } from './storage/storage_functions.ts';
import { expectNoLeak } from './testing/backends.ts';
import { expectAttentionError } from './testing/compare.ts';

interface ScaleShiftInputs {
  x: TensorInfo;
  shift?: TensorInfo;
}

const scaleShift = defineOp<ScaleShiftInputs, { scale: number }>({
  name: 'ScaleShift',
  optional: ['shift'],
  check: (_inputs, { scale }) => new Checks('scaleShift').finite('scale', scale),
  outputs: ({ x }) => [{ shape: x.shape, dtype: 'float32', storage: storageOf(x) }],
  kernels: {
    cpu: cpuKernel(({ x, shift }, { scale }, [y]) => {
      for (let i = 0; i < y.length; i++) y[i] = x.values[i] * scale + (shift?.values[i] ?? 0);
    }),
  },
});

const fillOnes = defineOp<{ target: TensorInfo }, object>({
  name: 'FillOnes',
  outputs: () => [],
  mutates: ['target'],
  kernels: { cpu: cpuKernel(({ target }) => void target.values.fill(1)) },
});

const addInto = defineOp<{ target: TensorInfo; x: TensorInfo }, object>({
  name: 'AddInto',
  outputs: () => [],
  mutates: ['target'],
  kernels: {
    cpu: cpuKernel(({ target, x }) => target.values.forEach((_, i) => (target.values[i] += x.values[i]))),
  },
});

const divideWithRemainder = defineOp<{ x: TensorInfo }, { divisor: number }>({
  name: 'DivideWithRemainder',
  outputs: ({ x }) => [
    { shape: x.shape, dtype: 'int32' },
    { shape: [x.shape[0], 1], dtype: 'float32', storage: 'bfloat16' },
  ],
  kernels: {
    cpu: cpuKernel(({ x }, { divisor }, [quotient, remainder]) => {
      x.values.forEach((value, i) => {
        quotient[i] = Math.floor(value / divisor);
        remainder[i] = value % divisor;
      });
    }),
  },
});

beforeAll(() => {
  tf.registerBackend('bare', () => new MathBackendCPU());
});
beforeEach(async () => {
  await tf.setBackend('cpu');
  tf.engine().startScope();
});
afterEach(async () => {
  tf.engine().endScope();
  await tf.setBackend('cpu');
});

test('runs the kernel of the active backend', () => {
  const [y] = scaleShift({ x: tf.tensor1d([1, 2]), shift: tf.tensor1d([10, 20]) }, { scale: 3 });
  expect([...y.dataSync()]).toEqual([13, 26]);
  expect(scaleShift.kernelName).toBe('ScaleShift');
});

test('an optional input may be undefined or omitted', () => {
  const x = tf.tensor1d([1, 2]);
  expect([...scaleShift({ x, shift: undefined }, { scale: 2 })[0].dataSync()]).toEqual([2, 4]);
  expect([...tf.tidy(() => scaleShift({ x, shift: undefined }, { scale: 2 })[0]).dataSync()]).toEqual([2, 4]);
});

test('returns several outputs, each with its dtype and storage type', () => {
  const x = tf.tensor1d([7, 1026], 'int32');
  const [quotient, remainder] = divideWithRemainder({ x }, { divisor: 513 });
  expect([quotient.dtype, quotient.shape, [...quotient.dataSync()]]).toEqual(['int32', [2], [0, 2]]);
  expect([remainder.dtype, remainder.shape, storageOf(remainder)]).toEqual(['float32', [2, 1], 'bfloat16']);
});

test('rounds outputs to their storage type', () => {
  const x = tensorFromStorage(Uint8Array.of(0x80, 0x3f), [1], 'bfloat16');
  const [y] = scaleShift({ x }, { scale: 1 / 3 });
  expect([storageOf(y), y.dataSync()[0]]).toEqual(['bfloat16', 0.333984375]);
});

test('an op that writes in place returns nothing, and its writes show in tensors that share the data', () => {
  const target = tf.zeros([2]);
  const shared = tf.reshape(target, [1, 2]);
  expect(fillOnes({ target }, {})).toEqual([]);
  expect([...shared.dataSync()]).toEqual([1, 1]);
});

test('leaks nothing, also inside tf.tidy', () => {
  const x = tf.ones([2]);
  expectNoLeak(() => scaleShift({ x }, { scale: 2 }));
  expectNoLeak(() => tf.tidy(() => void scaleShift({ x }, { scale: 2 })));
  expectNoLeak(() => fillOnes({ target: x }, {}));
});

test('appears in tf.profile', async () => {
  const profile = await tf.profile(() => scaleShift({ x: tf.ones([1]) }, { scale: 1 }));
  expect(profile.kernelNames).toContain('ScaleShift');
});

test('throws on a backend without a kernel', async () => {
  const x = tf.ones([1]);
  await tf.setBackend('bare');
  expectAttentionError(
    () => scaleShift({ x }, { scale: 1 }),
    'ERR_UNSUPPORTED',
    '[scaleShift] no bare kernel',
  );
});

test('a kernel does not run on a backend to which tf.copyRegisteredKernels copied it', async () => {
  tf.copyRegisteredKernels('cpu', 'bare');
  const target = tf.zeros([1]);
  await tf.setBackend('bare');
  try {
    expectAttentionError(() => fillOnes({ target }, {}), 'ERR_UNSUPPORTED', '[fillOnes] no bare kernel');
    expect([...target.dataSync()]).toEqual([0]);
  } finally {
    for (const { kernelName } of tf.getKernelsForBackend('bare')) tf.unregisterKernel(kernelName, 'bare');
  }
});

test('checks come before the kernel', () => {
  expectAttentionError(
    () => scaleShift({ x: tf.ones([1]) }, { scale: Number.NaN }),
    'ERR_RANGE',
    '[scaleShift] scale: expected a finite number, received NaN',
  );
});

test('inputs must be live tensors', () => {
  const gone = tf.ones([1]);
  gone.dispose();
  expectAttentionError(
    () => scaleShift({ x: gone }, { scale: 1 }),
    'ERR_DISPOSED',
    '[scaleShift] x: expected a live tensor, received a disposed one',
  );
  expectAttentionError(
    () => scaleShift({ x: [1] as unknown as Tensor }, { scale: 1 }),
    'ERR_DTYPE',
    '[scaleShift] x: expected a Tensor, received [1]',
  );
  expectAttentionError(
    () => scaleShift({ x: tf.ones([1]), shift: null as unknown as undefined }, { scale: 1 }),
    'ERR_DTYPE',
    '[scaleShift] shift: expected a Tensor, received null',
  );
  expectAttentionError(
    () => scaleShift({ x: undefined as unknown as Tensor }, { scale: 1 }),
    'ERR_DTYPE',
    '[scaleShift] x: expected a Tensor, received undefined',
  );
});

test('an op that writes in place throws while a gradient is recorded', () => {
  const target = tf.zeros([1]);
  const call = () => tf.grad((x: Tensor) => (fillOnes({ target }, {}), tf.square(x)))(tf.scalar(1));
  expectAttentionError(
    call,
    'ERR_UNSUPPORTED',
    '[fillOnes] target: expected no gradient recording, since it is written in place, received a ' +
      'call inside tf.grad or tf.variableGrads',
  );
  expect([...target.dataSync()]).toEqual([0]);
});

test('a gradient through an op without one throws', () => {
  const gradient = tf.grad((x: Tensor) => scaleShift({ x, shift: undefined }, { scale: 1 })[0]);
  expect(() => gradient(tf.ones([1]))).toThrow('gradient function not found for ScaleShift');
});

test('kernel() adds a kernel, and replaces one without a warning', async () => {
  tf.env().set('IS_TEST', false); // tfjs warns only outside tests
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  await tf.setBackend('bare');
  for (const value of [5, 6]) {
    scaleShift.kernel(
      'bare',
      cpuKernel((_inputs, _attrs, [y]) => void y.fill(value)),
    );
    expect([...scaleShift({ x: tf.tensor1d([1]) }, { scale: 1 })[0].dataSync()]).toEqual([value]);
  }
  tf.env().set('IS_TEST', true);
  expect(warn.mock.calls.flat().filter((text) => String(text).includes('registered'))).toEqual([]);
  warn.mockRestore();
  const call = () => scaleShift({ x: tf.tensor1d([1]) }, { scale: 1 });
  scaleShift.kernel('bare', () => {
    throw new Error('its own');
  });
  expect(call).toThrow(new Error('its own'));
  tf.unregisterKernel('ScaleShift', 'bare');
  expectAttentionError(call, 'ERR_UNSUPPORTED', '[scaleShift] no bare kernel');
});

const outputs = ({ x }: { x: TensorInfo }) => [{ shape: x.shape, dtype: 'float32' as const }];

test('a name in use by tfjs, us or another definition is rejected, and nothing is replaced', () => {
  const taken: [string, string][] = [
    ['Linear', 'an op of @attention-js/core'],
    ['Add', 'a kernel of tfjs backend cpu'],
    ['ScaleShift', 'which another defineOp has taken'],
  ];
  for (const [name, what] of taken) {
    expectAttentionError(
      () => defineOp({ name, outputs, kernels: { cpu: cpuKernel(({ x }, _attrs, [y]) => y.set(x.values)) } }),
      'ERR_UNSUPPORTED',
      `[defineOp] name: expected one that nothing has yet, received "${name}", ${what}`,
    );
  }
  expect([...linear(tf.ones([1, 3]), tf.ones([1, 3])).dataSync()]).toEqual([3]);
  expect([...tf.add(tf.ones([1]), 1).dataSync()]).toEqual([2]);
});

test('a definition is checked', () => {
  const definition = { name: 'NeverDefined', outputs: () => [] };
  const rejected: [object, AttentionErrorCode, string][] = [
    [
      { kernel: {} },
      'ERR_UNSUPPORTED',
      'definition: expected only name, check, checkValues, outputs, optional, blockInputs, mutates, kernels, received "kernel"',
    ],
    [{ name: 'neverDefined' }, 'ERR_RANGE', 'name: expected an UpperCamel name, received "neverDefined"'],
    [{ name: 'Never_Defined' }, 'ERR_RANGE', 'name: expected an UpperCamel name, received "Never_Defined"'],
    [{ name: undefined }, 'ERR_RANGE', 'name: expected an UpperCamel name, received undefined'],
    [{ outputs: undefined }, 'ERR_DTYPE', 'outputs: expected a function, received undefined'],
    [{ check: {} }, 'ERR_DTYPE', 'check: expected a function, received Object'],
    [{ kernels: { cpu: 'x' } }, 'ERR_DTYPE', 'cpu: expected a function, received "x"'],
    [{ kernels: null }, 'ERR_DTYPE', 'kernels: expected an object, received null'],
    [{ mutates: 'x' }, 'ERR_DTYPE', 'mutates: expected an array of names of inputs, received "x"'],
    [
      { blockInputs: ['x', 2] },
      'ERR_DTYPE',
      'blockInputs: expected an array of names of inputs, received ["x", 2]',
    ],
    [{ optional: [1] }, 'ERR_DTYPE', 'optional: expected an array of names of inputs, received [1]'],
  ];
  for (const [changes, code, message] of rejected) {
    const call = () => defineOp({ ...definition, ...changes });
    expectAttentionError(call, code, `[defineOp] ${message}`);
  }
  expectAttentionError(
    () => defineOp(null as unknown as OpDefinition<object, object>),
    'ERR_DTYPE',
    '[defineOp] definition: expected an object, received null',
  );
});

test('inputs and attributes must be objects', () => {
  expectAttentionError(
    () => scaleShift(null as never, { scale: 1 }),
    'ERR_DTYPE',
    '[scaleShift] inputs: expected an object, received null',
  );
  expectAttentionError(
    () => scaleShift({ x: tf.ones([1]) }, undefined as never),
    'ERR_DTYPE',
    '[scaleShift] attrs: expected an object, received undefined',
  );
});

test('an input that is overwritten must not share data with another input', () => {
  const target = tf.zeros([2]);
  const message = '[addInto] x: expected its own data, received the data of target';
  for (const x of [target, tf.reshape(target, [1, 2]), tf.clone(target)]) {
    expectAttentionError(() => addInto({ target, x }, {}), 'ERR_UNSUPPORTED', message);
  }
  // On `cpu`, tensors made from one typed array, or from parts of it, have separate data ids but share memory.
  const memory = new Float32Array(3);
  const overlapping = () =>
    addInto({ target: tf.tensor1d(memory.subarray(0, 2)), x: tf.tensor1d(memory.subarray(1)) }, {});
  expectAttentionError(overlapping, 'ERR_UNSUPPORTED', message);
  addInto({ target: tf.tensor1d(memory.subarray(0, 2)), x: tf.tensor1d(memory.subarray(2)) }, {});
  expect([...target.dataSync()]).toEqual([0, 0]);
});

test('check() throws the same errors as a call, and runs no kernel', () => {
  const target = tf.zeros([1]);
  fillOnes.check({ target }, {});
  expect([...target.dataSync()]).toEqual([0]);
  const x = tf.ones([1]);
  expectAttentionError(
    () => scaleShift.check({ x }, { scale: Number.NaN }),
    'ERR_RANGE',
    '[scaleShift] scale: expected a finite number, received NaN',
  );
});
