import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { geluAndMul } from './gelu_and_mul.ts';
import { expectSameAsCpu } from '../testing/expect_same_as_cpu.ts';

function density(t: number): number {
  return Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);
}

/** The normal distribution's integral from 0 to x, by Simpson's rule. */
function normalIntegral(x: number): number {
  const steps = 600;
  let sum = density(0) + density(x);
  for (let i = 1; i < steps; i++) sum += (i % 2 ? 4 : 2) * density((x * i) / steps);
  return (sum * x) / steps / 3;
}

const gelus = {
  none: (g: number) => g * (0.5 + normalIntegral(g)),
  // With 2 / (1 + exp(-2z)) for 1 + tanh(z).
  tanh: (g: number) => g / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (g + 0.044715 * g ** 3))),
};

function reference(values: ArrayLike<number>, n: number, approximate: 'none' | 'tanh'): Float64Array {
  return Float64Array.from({ length: values.length / 2 }, (_, i) => {
    const row = Math.floor(i / n) * 2 * n;
    return gelus[approximate](values[row + (i % n)]) * values[row + n + (i % n)];
  });
}

const cases = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
  (['none', 'tanh'] as const).map((approximate) => [storage, approximate] as const),
);

describeOnBackends('geluAndMul', (backendName) => {
  test.each(cases)('agrees with float64 in %s, approximate %s', (storage, approximate) => {
    const { tensor, values } = randomTensor(new Random(1), [5, 3, 26], storage, 2);
    const expected = reference(values, 13, approximate);
    expectMatches(geluAndMul(tensor, { approximate }), expected, [5, 3, 13], storage);
  });

  // cpu kernels compute in float64; a device rounds erf, tanh and the sum to float32.
  const bound = backendName === 'cpu' ? 1e-7 : 1e-6;
  test.each(['none', 'tanh'] as const)(`is within ${bound} everywhere, approximate %s`, (approximate) => {
    const gates = Float32Array.from({ length: 321 }, (_, i) => (i - 160) / 20);
    const x = tf.stack([tf.tensor1d(gates), tf.ones([gates.length])], 1);
    const actual = geluAndMul(x, { approximate }).dataSync();
    const errors = [...gates].map((gate, i) => {
      const expected = gelus[approximate](gate);
      return Math.abs(actual[i] - expected) / Math.max(1, Math.abs(expected));
    });
    expect(Math.max(...errors)).toBeLessThan(bound);
  });

  test('is exact by default', () => {
    const x = tf.tensor1d([1, 1]);
    expect(geluAndMul(x).dataSync()[0]).toBe(geluAndMul(x, { approximate: 'none' }).dataSync()[0]);
    expect(geluAndMul(x).dataSync()[0]).toBeCloseTo(0.8413447460685429, 6); // Φ(1); tanh gives 0.84119
  });

  test.each(['none', 'tanh'] as const)('keeps large gates finite, approximate %s', (approximate) => {
    const x = tf.tensor([-1e30, -200, 200, 1e12, 1, 1, 1, 1], [8]);
    const [low, lower, high, higher] = geluAndMul(x, { approximate }).dataSync();
    expect([low + 0, lower + 0, high, higher]).toEqual([0, 0, 200, Math.fround(1e12)]);
  });

  test('takes no rows', () => {
    expect(geluAndMul(tf.zeros([0, 8])).shape).toEqual([0, 4]);
  });

  test('leaks nothing', () => {
    const x = tf.ones([2, 8]);
    expectNoLeak(() => geluAndMul(x, { approximate: 'tanh' }));
  });

  test('names argument, expected and received', () => {
    expectAttentionError(
      () => geluAndMul(tf.zeros([2, 7])),
      'ERR_SHAPE',
      '[geluAndMul] x: expected shape [.., 2n]: gate, then up, received [2, 7]',
    );
    expectAttentionError(
      () => geluAndMul(tf.scalar(1)),
      'ERR_SHAPE',
      '[geluAndMul] x: expected shape [.., 2n]: gate, then up, received []',
    );
    expectAttentionError(
      () => geluAndMul(tf.zeros([2, 8], 'int32')),
      'ERR_DTYPE',
      '[geluAndMul] x: expected float32, received int32',
    );
    expectAttentionError(
      () => geluAndMul(tf.zeros([2, 8]), { approximate: true as unknown as 'tanh' }),
      'ERR_RANGE',
      '[geluAndMul] approximate: expected one of "none", "tanh", received true',
    );
  });
});

describeOnDevices('geluAndMul on rows of several blocks of threads', () => {
  const deviceCases = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
    (['none', 'tanh'] as const).map((approximate) => [approximate, storage] as const),
  );
  // 8 elements per access if the width is a multiple of 8.
  test.each(deviceCases)('approximate %s agrees with cpu in %s', async (approximate, storage) => {
    await expectSameAsCpu(() =>
      [2 * 4160, 2 * 701].map((width) =>
        geluAndMul(randomTensor(new Random(1), [2, width], storage, 3).tensor, { approximate }),
      ),
    );
  });
});
