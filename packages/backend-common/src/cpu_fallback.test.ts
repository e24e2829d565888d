import * as core from '@attention-js/core';
import * as tf from '@attention-js/core/tf';
import { afterEach, expect, jest, test } from '@jest/globals';
import { cpuFallbacks } from './cpu_fallback.ts';
import { describeOnDevices } from '../../core/src/testing/backends.ts';

type AnyOp = ReturnType<typeof core.defineOp<object, object>>;

const ops = Object.values(core).filter(
  (value): value is AnyOp & typeof value => typeof value === 'function' && 'kernelName' in value,
);

/** Runs a tfjs kernel that inference never uses, so it will never have a device kernel. */
const fallback = (): tf.Tensor => tf.diag(tf.tensor1d([0, 1]));

const KERNEL_TERMS: Readonly<Record<string, string>> = { cuda: 'CUDA kernel', metal: 'Metal shader' };

const onlyOnCpu = core.defineOp<{ x: tf.TensorInfo }, object>({
  name: 'OnlyOnCpu',
  outputs: ({ x }) => [{ shape: x.shape, dtype: 'float32' }],
  kernels: { cpu: core.cpuKernel(() => {}) },
});

describeOnDevices('cpu fallback', (name) => {
  const kernelTerm = KERNEL_TERMS[name];
  const flag = `${name.toUpperCase()}_CPU_FALLBACK`;
  const info = { name, kernelTerm, fallbackFlag: flag };

  function withPolicy<T>(policy: string, body: () => T): T {
    tf.env().set(flag, policy);
    try {
      return body();
    } finally {
      tf.env().set(flag, 'warn');
    }
  }

  test('covers all kernels of tfjs, and none of ours', () => {
    expect(cpuFallbacks(info).size).toBeGreaterThanOrEqual(172);
    expect(ops.length).toBeGreaterThan(10);
    for (const { kernelName } of ops) expect(cpuFallbacks(info).has(kernelName)).toBe(false);
  });

  afterEach(() => void jest.restoreAllMocks());

  test('warns once per kernel', () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    tf.env().set('IS_TEST', false);
    try {
      fallback();
      fallback();
      tf.bincount(tf.tensor1d([1], 'int32'), [], 2);
    } finally {
      tf.env().set('IS_TEST', true);
    }
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      `[${name}] Diag has no ${kernelTerm} and runs on the CPU (${flag}=silent hides this)`,
      `[${name}] Bincount has no ${kernelTerm} and runs on the CPU (${flag}=silent hides this)`,
    ]);
  });

  test('can be silent or throw', () => {
    const warn = jest.spyOn(console, 'warn').mockImplementation(() => {});
    tf.env().set('IS_TEST', false);
    try {
      withPolicy('silent', () => tf.mirrorPad(tf.tensor1d([0, 1]), [[1, 1]], 'reflect'));
    } finally {
      tf.env().set('IS_TEST', true);
    }
    expect(warn).not.toHaveBeenCalled();
    expect(() => withPolicy('error', fallback)).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: `[Diag] no ${name} kernel, and ${flag} is error`,
      }),
    );
    expect(() => withPolicy('loud', fallback)).toThrow(
      expect.objectContaining({
        code: 'ERR_RANGE',
        message: `[${name}] ${flag}: expected one of warn, silent, error, received loud`,
      }),
    );
  });

  test('does not apply to kernels that share data', () => {
    const x = tf.tensor1d([1, 2, 3, 4]);
    withPolicy('error', () => {
      expect(x.clone().reshape([2, 2]).expandDims().squeeze().shape).toEqual([2, 2]);
    });
  });

  test('a custom op without a kernel for the backend does not fall back to cpu', () => {
    expect(() => onlyOnCpu({ x: tf.zeros([2]) }, {})).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: `[onlyOnCpu] no ${name} kernel`,
      }),
    );
  });

  test('every op of core has a kernel', () => {
    const missing = ops.filter(({ kernelName }) => !tf.getKernel(kernelName, name));
    expect(missing.map(({ kernelName }) => kernelName)).toEqual([]);
  });
});
