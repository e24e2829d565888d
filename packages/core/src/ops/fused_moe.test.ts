import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES, STORAGE_FORMATS } from '../storage/storage_types.ts';
import type { ElementStorage, StorageType } from '../storage/storage_types.ts';
import {
  blockTypesOf,
  checkBounds,
  describeOnBackends,
  describeOnDevices,
  expectNoLeak,
} from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { fusedMoe } from './fused_moe.ts';
import type { MoeActivation } from './fused_moe.ts';
import { moeGemm } from './moe_gemm.ts';
import { siluAndMul } from './silu_and_mul.ts';
import { sortTokensByExpert } from './sort_tokens_by_expert.ts';
import { expectSameAsCpu } from '../testing/expect_same_as_cpu.ts';
import { idsOf, nanRows } from '../testing/moe_case.ts';

const ACTIVATIONS: Record<MoeActivation, (gate: number) => number> = {
  silu: (gate) => gate / (1 + Math.exp(-gate)),
  gelu: (gate) => gate * normalDistribution(gate),
  gelu_tanh: (gate) => (gate / 2) * (1 + Math.tanh(0.7978845608028654 * (gate + 0.044715 * gate ** 3))),
};

/** The standard normal distribution function, by Simpson's rule from 0. */
function normalDistribution(x: number): number {
  const steps = 100;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const factor = i === 0 || i === steps ? 1 : 2 + 2 * (i % 2);
    sum += factor * Math.exp((-1 / 2) * ((x * i) / steps) ** 2);
  }
  return 0.5 + (sum * x) / (3 * steps) / Math.sqrt(2 * Math.PI);
}

interface Case {
  tokens: number;
  k: number;
  experts: number;
  hidden: number;
  intermediate: number;
}

interface Values {
  x: ArrayLike<number>;
  gateUp: ArrayLike<number>;
  down: ArrayLike<number>;
  weights: ArrayLike<number>;
  ids: ArrayLike<number>;
}

/** Every token through every one of its experts, one number at a time. */
function reference(
  { tokens, k, hidden, intermediate }: Case,
  values: Values,
  activation: (gate: number) => number,
): Float64Array {
  const { x, gateUp, down, weights, ids } = values;
  const output = new Float64Array(tokens * hidden);
  const project = (expert: number, row: number, token: number): number => {
    let sum = 0;
    for (let i = 0; i < hidden; i++) {
      sum += gateUp[(expert * 2 * intermediate + row) * hidden + i] * x[token * hidden + i];
    }
    return sum;
  };
  for (let token = 0; token < tokens; token++) {
    for (let j = 0; j < k; j++) {
      const expert = ids[token * k + j];
      for (let n = 0; n < intermediate; n++) {
        const inner = activation(project(expert, n, token)) * project(expert, intermediate + n, token);
        for (let i = 0; i < hidden; i++) {
          const w = down[(expert * hidden + i) * intermediate + n];
          output[token * hidden + i] += weights[token * k + j] * w * inner;
        }
      }
    }
  }
  return output;
}

const CASES: Case[] = [
  { tokens: 1, k: 2, experts: 4, hidden: 16, intermediate: 12 },
  { tokens: 11, k: 2, experts: 4, hidden: 23, intermediate: 17 },
  { tokens: 5, k: 4, experts: 60, hidden: 8, intermediate: 9 },
  { tokens: 150, k: 1, experts: 2, hidden: 7, intermediate: 5 },
  { tokens: 3, k: 1, experts: 1, hidden: 1, intermediate: 1 },
];

function randomCase(
  random: Random,
  shape: Case,
  storage: ElementStorage = 'float32',
  weightStorage: StorageType = storage,
  downStorage = weightStorage,
) {
  const { tokens, k, experts, hidden, intermediate } = shape;
  const x = randomTensor(random, [tokens, hidden], storage);
  const gateUp = randomTensor(random, [experts, 2 * intermediate, hidden], weightStorage);
  const down = randomTensor(random, [experts, hidden, intermediate], downStorage);
  const weights = Float32Array.from({ length: tokens * k }, () => random.uniform());
  const topkIds = Array.from({ length: tokens }, () => random.permutation(experts).slice(0, k)).flat();
  return {
    x: x.tensor,
    gateUp: gateUp.tensor,
    down: down.tensor,
    topkWeights: tf.tensor2d(weights, [tokens, k]),
    topkIds: tf.tensor2d(topkIds, [tokens, k], 'int32'),
    values: { x: x.values, gateUp: gateUp.values, down: down.values, weights, ids: topkIds },
  };
}

interface Arguments {
  x: tf.Tensor;
  gateUp: tf.Tensor;
  down: tf.Tensor;
  weights: tf.Tensor;
  ids: tf.Tensor;
  activation: string;
}

function validArguments(): Arguments {
  return {
    x: tf.zeros([3, 4]),
    gateUp: tf.zeros([2, 10, 4]),
    down: tf.zeros([2, 4, 5]),
    weights: tf.zeros([3, 2]),
    ids: tf.zeros([3, 2], 'int32'),
    activation: 'silu',
  };
}

describeOnBackends('fusedMoe', (backendName) => {
  for (const activation of ['silu', 'gelu', 'gelu_tanh'] as const) {
    test.each(ELEMENT_STORAGE_TYPES)(`agrees with float64 in %s, ${activation}`, (storage) => {
      const random = new Random(11);
      for (const shape of CASES) {
        const { x, gateUp, down, topkWeights, topkIds, values } = randomCase(random, shape, storage);
        const y = fusedMoe(x, gateUp, down, topkWeights, topkIds, { activation });
        const expected = reference(shape, values, ACTIVATIONS[activation]);
        expectMatches(y, expected, [shape.tokens, shape.hidden], storage);
      }
    });
  }

  for (const blocks of blockTypesOf(backendName, 'fusedMoe')) {
    test.each(ELEMENT_STORAGE_TYPES)(
      `takes weights in ${blocks} with x in %s, also beside others`,
      (storage) => {
        const { blockLength } = STORAGE_FORMATS[blocks];
        for (const [downStorage, tokens, k, experts] of [
          [blocks, 3, 1, 2],
          [blocks, 70, 2, 2],
          ['q6_k', 40, 1, 2],
          [storage, 40, 1, 2],
        ] as const) {
          const intermediate = Math.max(blockLength, STORAGE_FORMATS[downStorage].blockLength);
          const shape = { tokens, k, experts, hidden: blockLength, intermediate };
          const { x, gateUp, down, topkWeights, topkIds, values } = randomCase(
            new Random(32),
            shape,
            storage,
            blocks,
            downStorage,
          );
          const y = fusedMoe(x, gateUp, down, topkWeights, topkIds);
          expectMatches(y, reference(shape, values, ACTIVATIONS.silu), [tokens, blockLength], storage);
        }
      },
    );
  }

  test('is silu by default, and what the separate ops compute', () => {
    const shape = CASES[1];
    const { x, gateUp, down, topkWeights, topkIds } = randomCase(new Random(12), shape);
    const { sortedTokenIds, expertIds } = sortTokensByExpert(topkIds, shape.experts);
    const inner = moeGemm(x, gateUp, sortedTokenIds, expertIds, { topk: shape.k, input: 'tokens' });
    const outer = moeGemm(siluAndMul(inner), down, sortedTokenIds, expertIds, {
      topk: shape.k,
      input: 'pairs',
      topkWeights,
    });
    const expected = tf.sum(tf.reshape(outer, [shape.tokens, shape.k, shape.hidden]), 1);
    const y = fusedMoe(x, gateUp, down, topkWeights, topkIds);
    expectMatches(y, expected.dataSync(), [shape.tokens, shape.hidden]);
  });

  test('counts an expert that a token names twice twice', () => {
    const { x, gateUp, down } = randomCase(new Random(13), CASES[0]);
    const twice = fusedMoe(
      x,
      gateUp,
      down,
      tf.tensor2d([[0.25, 0.5]]),
      tf.tensor2d([[3, 3]], undefined, 'int32'),
    );
    const once = fusedMoe(x, gateUp, down, tf.tensor2d([[0.75]]), tf.tensor2d([[3]], undefined, 'int32'));
    expectMatches(twice, once.dataSync(), once.shape);
  });

  test('reads no expert that has no token', () => {
    const ids = tf.tensor2d([[1]], [1, 1], 'int32');
    const gateUp = tf.tensor3d([NaN, NaN, 1, 2], [2, 2, 1]);
    const down = tf.tensor3d([NaN, 3], [2, 1, 1]);
    const y = fusedMoe(tf.ones([1, 1]), gateUp, down, tf.ones([1, 1]), ids);
    expectMatches(y, [(1 / (1 + Math.exp(-1))) * 2 * 3], [1, 1]);
  });

  test('takes no tokens', () => {
    const { gateUp, down } = randomCase(new Random(14), CASES[0]);
    const y = fusedMoe(tf.zeros([0, 16]), gateUp, down, tf.zeros([0, 2]), tf.zeros([0, 2], 'int32'));
    expect(y.shape).toEqual([0, 16]);
  });

  test('leaks nothing', () => {
    const { x, gateUp, down, topkWeights, topkIds } = randomCase(new Random(15), CASES[1]);
    expectNoLeak(() => fusedMoe(x, gateUp, down, topkWeights, topkIds));
  });

  test.each<['ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_RANGE', string, () => Partial<Arguments>]>([
    [
      'ERR_RANGE',
      'activation: expected one of "silu", "gelu", "gelu_tanh", received "relu"',
      () => ({ activation: 'relu' }),
    ],
    ['ERR_SHAPE', 'x: expected shape [tokens, hidden], received [4]', () => ({ x: tf.zeros([4]) })],
    ['ERR_DTYPE', 'x: expected float32, received int32', () => ({ x: tf.zeros([3, 4], 'int32') })],
    [
      'ERR_SHAPE',
      'downWeights: expected shape [experts, 4, intermediate], received [2, 5, 4]',
      () => ({ down: tf.zeros([2, 5, 4]) }),
    ],
    [
      'ERR_DTYPE',
      'downWeights: expected storage float32 to match x, received float16',
      () => ({ down: zerosWithStorage([2, 4, 5], 'float16') }),
    ],
    [
      'ERR_SHAPE',
      'gateUpWeights: expected shape [2, 10, 4], received [2, 5, 4]',
      () => ({ gateUp: tf.zeros([2, 5, 4]) }),
    ],
    [
      'ERR_DTYPE',
      'gateUpWeights: expected storage float32 to match x, received bfloat16',
      () => ({ gateUp: zerosWithStorage([2, 10, 4], 'bfloat16') }),
    ],
    ['ERR_SHAPE', 'topkIds: expected shape [3, k], received [6]', () => ({ ids: tf.zeros([6], 'int32') })],
    ['ERR_DTYPE', 'topkIds: expected int32, received float32', () => ({ ids: tf.zeros([3, 2]) })],
    [
      'ERR_SHAPE',
      'topkWeights: expected shape [3, 2], received [3, 1]',
      () => ({ weights: tf.zeros([3, 1]) }),
    ],
    [
      'ERR_DTYPE',
      'topkWeights: expected storage float32, received float16',
      () => ({ weights: zerosWithStorage([3, 2], 'float16') }),
    ],
  ])('rejects with %s: %s', (code, message, changes) => {
    const { x, gateUp, down, weights, ids, activation } = { ...validArguments(), ...changes() };
    expectAttentionError(
      () => fusedMoe(x, gateUp, down, weights, ids, { activation: activation as MoeActivation }),
      code,
      `[fusedMoe] ${message}`,
    );
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    test.each([2, -1])('rejects expert id %d of 2', (id) => {
      const { x, gateUp, down, weights } = validArguments();
      const ids = tf.tensor2d([0, 1, 1, id, 0, 0], [3, 2], 'int32');
      expectAttentionError(
        () => fusedMoe(x, gateUp, down, weights, ids),
        'ERR_RANGE',
        `[fusedMoe] topkIds: expected expert ids >= 0 and < 2, received ${id} for pair 3`,
      );
    });
  });

  if (backendName !== 'cpu') return;

  test('gives a token the same bits in any batch', () => {
    const shape = { tokens: 140, k: 2, experts: 3, hidden: 12, intermediate: 10 };
    const { x, gateUp, down, topkWeights, topkIds } = randomCase(new Random(16), shape);
    const batched = fusedMoe(x, gateUp, down, topkWeights, topkIds).arraySync();
    batched.forEach((row, token) => {
      const [one, weights, ids] = [x, topkWeights, topkIds].map((all) => tf.slice(all, token, 1));
      expect(fusedMoe(one, gateUp, down, weights, ids).arraySync()).toEqual([row]);
    });
  });
});

describeOnDevices('fusedMoe in tiles and by rows', () => {
  test('fusedMoe agrees with cpu across several tiles of rows and columns', async () => {
    for (const storage of ELEMENT_STORAGE_TYPES) {
      await expectSameAsCpu(() => {
        const random = new Random(22);
        const ids = idsOf(random, [70, 2, 40], 2);
        const [tokens] = ids.shape;
        const x = randomTensor(random, [tokens, 72], storage).tensor;
        const gateUp = randomTensor(random, [3, 80, 72], storage, 0.2).tensor;
        const down = randomTensor(random, [3, 72, 40], storage, 0.2).tensor;
        return [fusedMoe(x, gateUp, down, tf.ones(ids.shape), ids)];
      });
    }
  });

  // 3 tokens go by rows, 60 by tiles, as do lines of 9 elements anywhere.
  const sizes = ELEMENT_STORAGE_TYPES.flatMap((storage) =>
    [3, 18, 60].flatMap((tokens) => [9, 24].map((depth) => [tokens, depth, storage] as const)),
  );
  test.each(sizes)(
    'a token with a pair without an expert is NaN, no other: %d tokens, depth %d, %s',
    (tokens, depth, storage) => {
      const random = new Random(23);
      const experts = Array.from({ length: 2 * tokens }, () => random.integer(0, 2));
      experts[2] = -1;
      experts[3] = 2;
      experts[5] = 3;
      const ids = tf.tensor2d(experts, [tokens, 2], 'int32');
      const x = randomTensor(random, [tokens, depth], storage).tensor;
      const weights = randomTensor(random, [3, 16, depth], storage).tensor;
      const down = randomTensor(random, [3, depth, 8], storage).tensor;
      const y = fusedMoe(x, weights, down, tf.ones([tokens, 2]), ids);
      const otherTokens = Array.from({ length: tokens }, (_, token) => token).filter(
        (i) => i !== 1 && i !== 2,
      );
      expect(nanRows(y)).toEqual({ all: [1, 2], none: otherTokens });
    },
  );
});
