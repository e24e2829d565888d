import * as tf from '@attention-js/core/tfjs';
import { expect, test } from '@jest/globals';
import { cuda, describeOnCuda } from './testing/cuda.ts';

/** Runs `body` on `cuda` and on `cpu`. */
async function onBoth(body: () => tf.Tensor[]): Promise<number[][][]> {
  const results: number[][][] = [];
  for (const name of ['cuda', 'cpu']) {
    await tf.setBackend(name);
    results.push(tf.tidy(body).map((x) => [...x.dataSync()]));
  }
  await tf.setBackend('cuda');
  return results;
}

const close = (values: number[]) => values.map((value) => expect.closeTo(value, 4));
const fail = () => {
  throw new RangeError('no');
};
const wave = (shape: number[]) => tf.range(0, tf.util.sizeFromShape(shape)).sin().reshape(shape);
const run = () => void wave([100]).add(1);

describeOnCuda('gradients', () => {
  const cases: Record<string, () => tf.Tensor[]> = {
    'matMul, transposed': () => {
      const weights = wave([2, 3, 4]);
      const f = (a: tf.Tensor, b: tf.Tensor) => tf.matMul(a, b, true, true).mul(weights).sum();
      return tf.grads(f)([wave([2, 5, 3]), wave([2, 4, 5])]);
    },
    softmax: () => [
      tf.grad((x) =>
        x
          .softmax()
          .mul(wave([3, 7]))
          .sum(),
      )(wave([3, 7])),
    ],
    logSoftmax: () => [tf.grad((x) => tf.logSoftmax(x).mul(tf.eye(4)).sum())(wave([4, 4]))],
    'gather, concat, slice, pad': () => [
      tf.grad((x) => {
        const rows = tf.gather(x, tf.tensor1d([2, 0, 2], 'int32'));
        return tf
          .concat(
            [
              rows.slice([1, 0], [2, 3]),
              x
                .pad([
                  [0, 0],
                  [1, 0],
                ])
                .slice([0, 0], [3, 3]),
            ],
            0,
          )
          .square()
          .sum();
      })(wave([3, 3])),
    ],
    'max, mean, cumsum, where': () => {
      const isKept = tf.greater(wave([4, 6]), 0);
      const f = (x: tf.Tensor) => tf.where(isKept, x.cumsum(1), x.mean(1, true).mul(x)).max(1).sum();
      return [tf.grad(f)(wave([4, 6]))];
    },
    'abs, pow, broadcast addition': () => {
      const exponent = tf.scalar(1.5);
      const f = (a: tf.Tensor, b: tf.Tensor) => a.mul(b).abs().add(1).pow(exponent).sum();
      return tf.grads(f)([wave([3, 4]), wave([4])]);
    },
    'fused matMul': () => {
      const activation = 'relu';
      const f = (a: tf.Tensor, b: tf.Tensor, bias: tf.Tensor) =>
        tf.fused.matMul({ a, b, bias, activation }).sum();
      return tf.grads(f)([wave([3, 4]), wave([4, 5]), wave([5])]);
    },
  };

  test.each(Object.entries(cases))('through %s are those of cpu', async (_, body) => {
    const [ours, theirs] = await onBoth(body);
    expect(ours.flat().some((value) => value !== 0)).toBe(true);
    expect(ours).toEqual(theirs.map(close));
  });

  test('leave nothing behind', () => {
    const x = wave([3, 7]);
    const step = () => tf.tidy(() => void tf.grad((y) => y.softmax().matMul(y, false, true).sum())(x));
    step();
    const before = { ids: cuda().numDataIds(), bytes: cuda().memory().numBytes, ...tf.memory() };
    for (let i = 0; i < 20; i++) step();
    expect(cuda().numDataIds()).toBe(before.ids);
    expect(cuda().memory().numBytes).toBe(before.bytes);
    expect(tf.memory().numTensors).toBe(before.numTensors);
  });
});

describeOnCuda("the device's time", () => {
  test('of calls within and beside each other', async () => {
    const inner: Promise<tf.TimingInfo>[] = [];
    const outer = tf.time(() => {
      run();
      inner.push(tf.time(run));
    });
    const times = await Promise.all([outer, tf.time(run), tf.time(() => {}), ...inner]);
    for (const { kernelMs } of times) expect(kernelMs).toBeGreaterThanOrEqual(0);
    const [{ kernelMs: outerMs }, , , { kernelMs: innerMs }] = times;
    expect(Number(outerMs)).toBeGreaterThanOrEqual(Number(innerMs));
  });

  test('a call that throws rejects, and the next one is right', async () => {
    await expect(cuda().time(fail)).rejects.toThrow('no');
    expect((await tf.time(() => void tf.ones([3]).add(1))).kernelMs).toBeGreaterThanOrEqual(0);
  });

  test('of each kernel is in a profile', async () => {
    const { kernels, newTensors, result } = await tf.profile(() =>
      tf.tidy(() => wave([4, 8]).softmax().sum()),
    );
    expect(Number.isFinite((result as tf.Tensor).dataSync()[0])).toBe(true);
    expect(newTensors).toBe(1);
    expect(kernels.map(({ name }) => name)).toEqual(expect.arrayContaining(['Sin', 'Softmax', 'Sum']));
    for (const { kernelTimeMs } of kernels) expect(Number(await kernelTimeMs)).toBeGreaterThanOrEqual(0);
  });
});
