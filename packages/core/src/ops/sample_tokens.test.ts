import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import { checkBounds, describeOnBackends, describeOnDevices, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { sampleTokens } from './sample_tokens.ts';
import type { SamplingParameters } from './sampling_parameters.ts';

interface Row {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  seed: number;
  position: number;
}

const ROW: Row = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 0, position: 0 };

/** One word of Philox 4x32-10 from the paper's definition, on big integers. */
function philoxWord(counter: bigint[], key: bigint[], word: number): number {
  const mask = 0xffffffffn;
  let [a, b, c, d] = counter.map((value) => value & mask);
  let [k0, k1] = key.map((value) => value & mask);
  for (let round = 0; round < 10; round++) {
    const [p, q] = [a * 0xd2511f53n, c * 0xcd9e8d57n];
    [a, b, c, d] = [(q >> 32n) ^ b ^ k0, q & mask, (p >> 32n) ^ d ^ k1, p & mask];
    [k0, k1] = [(k0 + 0x9e3779b9n) & mask, (k1 + 0xbb67ae85n) & mask];
  }
  return Number([a, b, c, d][word]);
}

function gumbelNoise(row: Row, token: number): number {
  const counter = [BigInt(token >> 2), BigInt(row.position), 0n, 0n];
  const uniform = (philoxWord(counter, [BigInt(row.seed), 0n], token % 4) + 0.5) / 2 ** 32;
  return -Math.log(-Math.log1p(-uniform));
}

/** Which tokens the filters keep, one filter after the other on the probabilities of what is left. */
function keptTokens(logits: number[], row: Row): Set<number> {
  const [temperature, topP, minP] = [row.temperature, row.topP, row.minP].map(Math.fround);
  const largest = Math.max(...logits);
  const probability = logits.map((logit) => Math.exp((logit - largest) / temperature));
  let kept = logits.map((_, token) => token).toSorted((a, b) => logits[b] - logits[a]);
  if (row.topK > 0 && row.topK < kept.length) {
    const kth = logits[kept[row.topK - 1]];
    kept = kept.filter((token) => logits[token] >= kth);
  }
  if (topP < 1) {
    const total = kept.reduce((sum, token) => sum + probability[token], 0);
    kept = kept.filter((token) => {
      const likelier = kept.filter((other) => logits[other] > logits[token]);
      return likelier.reduce((sum, other) => sum + probability[other], 0) < topP * total;
    });
  }
  return new Set(kept.filter((token) => probability[token] >= minP));
}

function reference(logits: number[], row: Row): number {
  if (row.temperature === 0) return logits.indexOf(Math.max(...logits));
  const kept = keptTokens(logits, row);
  const scores = logits.map((logit, token) =>
    kept.has(token) ? logit / Math.fround(row.temperature) + gumbelNoise(row, token) : -Infinity,
  );
  return scores.indexOf(Math.max(...scores));
}

function toParameters(rows: Row[]): SamplingParameters {
  return {
    temperature: rows.map(({ temperature }) => temperature),
    topK: rows.map(({ topK }) => topK),
    topP: rows.map(({ topP }) => topP),
    minP: rows.map(({ minP }) => minP),
    seeds: rows.map(({ seed }) => seed),
    positions: rows.map(({ position }) => position),
  };
}

function randomRow(random: Random, vocabulary: number): Row {
  return {
    temperature: random.pick([0, 0.3, 0.7, 1, 1.5]),
    topK: random.pick([0, 1, 3, 10, vocabulary, 2 * vocabulary]),
    topP: random.pick([1, 0.95, 0.6, 0.2, 1e-6]),
    minP: random.pick([0, 0.01, 0.1, 0.5, 1]),
    seed: random.integer(-(2 ** 31), 2 ** 31 - 1),
    position: random.integer(0, 2 ** 31 - 1),
  };
}

/** Pearson's statistic of `draws` against the softmax of `logits`. */
function chiSquare(draws: ArrayLike<number>, logits: number[]): number {
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
  const counts = logits.map(() => 0);
  for (let i = 0; i < draws.length; i++) counts[draws[i]]++;
  return logits.reduce((sum, logit, token) => {
    const expected = (draws.length * Math.exp(logit)) / total;
    return expected === 0 ? sum + counts[token] : sum + (counts[token] - expected) ** 2 / expected;
  }, 0);
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describeOnBackends('sampleTokens', (backendName) => {
  test.each(ELEMENT_STORAGE_TYPES)(
    'agrees with float64 for every combination of filters, logits in %s',
    (storage) => {
      const random = new Random(5);
      for (const vocabulary of [1, 3, 64, 509]) {
        const rows = Array.from({ length: 60 }, () => randomRow(random, vocabulary));
        const { tensor, values } = randomTensor(random, [rows.length, vocabulary], storage, 3);
        const expected = rows.map((row, i) =>
          reference(Array.from(values.subarray(i * vocabulary, (i + 1) * vocabulary)), row),
        );
        const tokens = sampleTokens(tensor, toParameters(rows));
        expect(tokens.dtype).toBe('int32');
        expect(tokens.arraySync()).toEqual(expected);
      }
    },
  );

  test('keeps equal logits together and excludes those of -Infinity', () => {
    const random = new Random(6);
    const logits = Array.from({ length: 200 }, () =>
      Array.from({ length: 20 }, () => random.pick([-Infinity, -1, 0, 0.5, 1, 2])),
    );
    const rows = logits.map(() => randomRow(random, 20));
    const tokens = sampleTokens(tf.tensor2d(logits), toParameters(rows)).arraySync();
    expect(tokens).toEqual(logits.map((row, i) => reference(row, rows[i])));
  });

  test('is greedy at temperature 0, with ties to the lowest id and no seeds', () => {
    const logits = tf.tensor2d([
      [1, 3, 3, 2],
      [-Infinity, -5, -4, -4],
      [0, 0, 0, 0],
    ]);
    expect(sampleTokens(logits, { temperature: 0 }).arraySync()).toEqual([1, 2, 0]);
    expect(sampleTokens(logits, { temperature: [0, 0, 0], topK: 1 }).arraySync()).toEqual([1, 2, 0]);
  });

  const draws = 20000;
  const logits = [0.3, -1.2, 1.5, 0.3, -3, 0.9];
  const repeated = (): tf.Tensor2D => tf.tile(tf.tensor2d([logits]), [draws, 1]);

  // 30 and 26 exceed the 1 - 1e-5 quantiles of chi-square with 5 and 3 degrees of freedom.
  test.each([
    ['positions of one seed', { seeds: 7, positions: range(draws) }],
    ['seeds at one position', { seeds: range(draws), positions: 7 }],
  ])('follows the softmax over %s', (_name, keys) => {
    expect(chiSquare(sampleTokens(repeated(), keys).dataSync(), logits)).toBeLessThan(30);
  });

  test('follows the softmax at another temperature', () => {
    const tokens = sampleTokens(repeated(), { temperature: 2, seeds: 1, positions: range(draws) });
    const scaled = logits.map((logit) => logit / 2);
    expect(chiSquare(tokens.dataSync(), scaled)).toBeLessThan(30);
    expect(chiSquare(tokens.dataSync(), logits)).toBeGreaterThan(300); // the test can tell the two apart
  });

  test('follows the renormalized softmax of the kept tokens', () => {
    const tokens = sampleTokens(repeated(), { topK: 3, seeds: 2, positions: range(draws) });
    const kept = logits.map((logit) => (logit >= 0.3 ? logit : -Infinity)); // tokens 0 and 3 tie for the third place
    expect(chiSquare(tokens.dataSync(), kept)).toBeLessThan(26);
  });

  test('is uniform over hundreds of equal logits', () => {
    const tokens = sampleTokens(tf.zeros([5000, 300]), { seeds: 3, positions: range(5000) });
    // 299 degrees of freedom: mean 299, standard deviation 24.5.
    const statistic = chiSquare(
      tokens.dataSync(),
      Array.from({ length: 300 }, () => 0),
    );
    expect(Math.abs(statistic - 299)).toBeLessThan(5 * 24.5);
  });

  test('gives a row the same token in any batch', () => {
    const random = new Random(8);
    const rows = Array.from({ length: 12 }, () => randomRow(random, 40));
    const { tensor } = randomTensor(random, [12, 40], 'float32', 2);
    const tokens = sampleTokens(tensor, toParameters(rows)).arraySync();
    const order = random.permutation(12);
    const permuted = sampleTokens(
      tf.gather(tensor, tf.tensor1d(order, 'int32')),
      toParameters(order.map((i) => rows[i])),
    );
    expect(permuted.arraySync()).toEqual(order.map((i) => tokens[i]));
    rows.forEach((row, i) => {
      const alone = sampleTokens(tf.slice(tensor, [i, 0], [1, 40]), toParameters([row]));
      expect(alone.arraySync()).toEqual([tokens[i]]);
    });
  });

  test('takes one number for all rows, typed arrays, and defaults', () => {
    const { tensor } = randomTensor(new Random(9), [50, 30]);
    const rows = range(50).map((position) => ({ ...ROW, seed: 4, position }));
    const expected = sampleTokens(tensor, toParameters(rows)).arraySync();
    const positions = Int32Array.from(range(50));
    expect(sampleTokens(tensor, { seeds: 4, positions }).arraySync()).toEqual(expected);
    const all = { temperature: 1, topK: 0, topP: 1, minP: 0, seeds: 4, positions };
    expect(sampleTokens(tensor, all).arraySync()).toEqual(expected);
  });

  test('takes no rows', () => {
    expect(sampleTokens(tf.zeros([0, 8]), { seeds: 1, positions: [] }).shape).toEqual([0]);
  });

  test('leaks nothing', () => {
    const { tensor } = randomTensor(new Random(10), [4, 30]);
    expectNoLeak(() => sampleTokens(tensor, { topK: 5, topP: 0.9, minP: 0.01, seeds: 1, positions: 2 }));
  });

  test.each<[SamplingParameters, string]>([
    [{ temperature: -1 }, 'temperature: expected a finite float32 >= 0, received -1 for row 0'],
    [
      { temperature: [1, Infinity] },
      'temperature: expected a finite float32 >= 0, received Infinity for row 1',
    ],
    [{ topP: 1e-46 }, 'topP: expected a float32 > 0 and <= 1, received 1e-46 for row 0'],
    [{ minP: [0, 1e-46] }, 'minP: expected a float32 >= 0 and <= 1, received 1e-46 for row 1'],
    [{ temperature: 1e-46 }, 'temperature: expected a finite float32 >= 0, received 1e-46 for row 0'],
    [{ seeds: [0, 1n as unknown as number] }, 'seeds: expected an int32, received 1n for row 1'],
    [{ temperature: 1e39 }, 'temperature: expected a finite float32 >= 0, received 1e+39 for row 0'],
    [{ temperature: [1, NaN] }, 'temperature: expected a finite float32 >= 0, received NaN for row 1'],
    [{ topP: 0 }, 'topP: expected a float32 > 0 and <= 1, received 0 for row 0'],
    [
      { topP: [1, '0.5' as unknown as number] },
      'topP: expected a float32 > 0 and <= 1, received "0.5" for row 1',
    ],
    [{ topP: [1, 1.1] }, 'topP: expected a float32 > 0 and <= 1, received 1.1 for row 1'],
    [{ minP: -0.1 }, 'minP: expected a float32 >= 0 and <= 1, received -0.1 for row 0'],
    [{ minP: [0, 2] }, 'minP: expected a float32 >= 0 and <= 1, received 2 for row 1'],
    [{ topK: -1 }, 'topK: expected an int32 >= 0, received -1 for row 0'],
    [{ topK: [2, 1.5] }, 'topK: expected an int32 >= 0, received 1.5 for row 1'],
    [{ seeds: 2 ** 31 }, 'seeds: expected an int32, received 2147483648 for row 0'],
    [{ positions: [0, -1] }, 'positions: expected an int32 >= 0, received -1 for row 1'],
    [{ seeds: undefined }, 'seeds: expected an int32 if any temperature is above 0, received undefined'],
    [
      { temperature: [0, 1], positions: undefined },
      'positions: expected an int32 >= 0 if any temperature is above 0, received undefined',
    ],
  ])('rejects %j', (changes, message) => {
    const call = () => sampleTokens(tf.zeros([2, 4]), { seeds: 0, positions: 0, ...changes });
    expectAttentionError(call, 'ERR_RANGE', `[sampleTokens] ${message}`);
  });

  test('names argument, expected and received', () => {
    const parameters = { seeds: 0, positions: 0 };
    for (const name of ['temperature', 'topK', 'topP', 'minP', 'seeds', 'positions']) {
      expectAttentionError(
        () => sampleTokens(tf.zeros([2, 4]), { ...parameters, [name]: [1, 1, 1] }),
        'ERR_SHAPE',
        `[sampleTokens] ${name}: expected a number, or one for each of 2 rows, received 3 numbers`,
      );
    }
    expectAttentionError(
      () => sampleTokens(tf.zeros([4]), parameters),
      'ERR_SHAPE',
      '[sampleTokens] logits: expected shape [rows, vocabulary], received [4]',
    );
    expectAttentionError(
      () => sampleTokens(tf.zeros([2, 0]), parameters),
      'ERR_SHAPE',
      '[sampleTokens] logits: expected a vocabulary of at least one token, received [2, 0]',
    );
    expectAttentionError(
      () => sampleTokens(tf.zeros([2, 4], 'int32'), parameters),
      'ERR_DTYPE',
      '[sampleTokens] logits: expected float32, received int32',
    );
    expectAttentionError(
      () => sampleTokens(tf.zeros([2, 4]), undefined as unknown as SamplingParameters),
      'ERR_DTYPE',
      '[sampleTokens] parameters: expected an object, received undefined',
    );
    const disposed = tf.zeros([2, 4]);
    disposed.dispose();
    expectAttentionError(
      () => sampleTokens(disposed, parameters),
      'ERR_DISPOSED',
      '[sampleTokens] logits: expected a live tensor, received a disposed one',
    );
  });

  describe('a row that cannot be sampled', () => {
    checkBounds(backendName); // which finds no fault in it

    for (const temperature of [0, 1]) {
      test.each([
        ['NaN', [0, NaN, 1]],
        ['a NaN at first', [NaN, 0, 1]],
        ['+Infinity', [0, 1, Infinity]],
        ['nothing above -Infinity', [-Infinity, -Infinity, -Infinity]],
        ['both infinities', [-Infinity, Infinity, 0]],
      ])(`gives -1 and leaves other rows alone, temperature ${temperature}: %s`, (_name, row) => {
        for (const filters of [{}, { topK: 2 }, { topP: 0.5 }, { minP: 0.1 }]) {
          const parameters = { temperature, seeds: 5, positions: 0, ...filters };
          const healthy = [0, 3, 1];
          const [expected] = sampleTokens(tf.tensor2d([healthy]), parameters).dataSync();
          const tokens = sampleTokens(tf.tensor2d([healthy, row, healthy]), parameters);
          expect([...tokens.dataSync()]).toEqual([expected, -1, expected]);
        }
      });
    }

    test('gives -1 for a long row with one NaN, wherever it is', () => {
      for (const width of [33, 509, 5000]) {
        for (const at of [0, 31, width - 1]) {
          const values = new Random(at).normal(2 * width);
          values[width + at] = NaN;
          const tokens = sampleTokens(tf.tensor2d(values, [2, width]), { seeds: 1, positions: 0 }).dataSync();
          expect([tokens[0] >= 0 && tokens[0] < width, tokens[1]]).toEqual([true, -1]);
        }
      }
    });
  });

  test.each([0.5, 1e-10, 1e-30, 1e-38, 1e-40, 1.4e-45])('topP %d keeps the most likely token', (topP) => {
    const rows = tf.tile(tf.tensor2d([[0, 50, 1, 2, 3, 4, -1, -2]]), [40, 1]);
    const seeds = range(40);
    const tokens = sampleTokens(rows, { temperature: 2, topP, seeds, positions: 0 });
    expect(new Set(tokens.dataSync())).toEqual(new Set([1]));
  });
});

describeOnDevices('sampleTokens on a device', () => {
  test('agrees with cpu where several warps share a row', async () => {
    const random = new Random(31);
    const [rows, vocabulary] = [24, 5003];
    const logits = random.normal(rows * vocabulary, 3);
    const perRow = <T>(values: T[]): T[] => Array.from({ length: rows }, () => random.pick(values));
    const parameters = {
      temperature: perRow([0, 0.5, 1, 1.5]),
      topK: perRow([0, 1, 40, 3000]),
      topP: perRow([1, 0.9, 0.3]),
      minP: perRow([0, 0.01, 0.2]),
      seeds: Array.from({ length: rows }, () => random.integer(-(2 ** 31), 2 ** 31 - 1)),
      positions: Array.from({ length: rows }, () => random.integer(0, 2 ** 31 - 1)),
    };
    const backendName = tf.getBackend();
    const sample = () => [...sampleTokens(tf.tensor2d(logits, [rows, vocabulary]), parameters).dataSync()];
    const tokens = sample();
    await tf.setBackend('cpu');
    const expected = sample();
    await tf.setBackend(backendName);
    expect(tokens).toEqual(expected);
    expect(new Set(tokens).size).toBeGreaterThan(rows / 2);
  });

  test.each([0, 1])(
    'gives -1 for a row without a distribution at temperature %d, and for no other',
    (temperature) => {
      const rows = [
        [0, NaN, 1],
        [0, 1, Infinity],
        [-Infinity, -Infinity, -Infinity],
        [-NaN, NaN, NaN],
        [-Infinity, 1, -Infinity],
      ];
      const tokens = sampleTokens(tf.tensor2d(rows), { temperature, seeds: 0, positions: 0 });
      expect(tokens.arraySync()).toEqual([-1, -1, -1, -1, 1]);
    },
  );

  test('takes a temperature that a device may hold for 0', () => {
    const logits = tf.tensor2d([[1, 3, 2]]);
    expect(sampleTokens(logits, { temperature: 1e-42, seeds: 0, positions: 0 }).arraySync()).toEqual([1]);
  });
});
