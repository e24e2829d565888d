import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import * as core from './index.ts';
import { describeOnBackends } from './testing/backends.ts';
import { expectAttentionError } from './testing/compare.ts';

/** Valid calls, in which `given` replaces the object that `argument` names. */
interface OptionsCase {
  op: string;
  argument: string;
  given: object;
  call: (given: never) => unknown;
}

const ints = (...values: number[]): tf.Tensor1D => tf.tensor1d(values, 'int32');
const zeroIds = (...shape: number[]): tf.Tensor => tf.zeros(shape, 'int32');

function optionCases(): OptionsCase[] {
  const rows = tf.ones([2, 1, 8]);
  const [keyCache, valueCache] = [tf.zeros([1, 8, 1, 8]), tf.zeros([1, 8, 1, 8])];
  const metadata = { blockTables: zeroIds(2, 1), contextLens: ints(1, 1) };
  const starts = { cuSeqlensQ: ints(0, 2), cuSeqlensK: ints(0, 2) };
  const layerOptions = { numHeads: 1, headSize: 8 };
  const layer = new core.PagedAttention(layerOptions);
  const step = { query: rows, key: rows, value: rows, metadata: { isPrefill: true, cuSeqlensQ: ints(0, 2) } };
  const x = tf.ones([2, 4]);
  const experts = { sorted: ints(0, 1), ids: ints(0, 0) };
  return [
    {
      op: 'pagedAttention',
      argument: 'options',
      given: { softcap: 5 },
      call: (given) => core.pagedAttention(rows, keyCache, valueCache, metadata, given),
    },
    {
      op: 'pagedAttention',
      argument: 'metadata',
      given: metadata,
      call: (given) => core.pagedAttentionWithLse(rows, keyCache, valueCache, given),
    },
    {
      op: 'varlenAttention',
      argument: 'options',
      given: {},
      call: (given) => core.varlenAttention(rows, rows, rows, starts, given),
    },
    {
      op: 'varlenAttention',
      argument: 'metadata',
      given: starts,
      call: (given) => core.varlenAttention(rows, rows, rows, given),
    },
    {
      op: 'PagedAttention',
      argument: 'options',
      given: layerOptions,
      call: (given) => new core.PagedAttention(given),
    },
    {
      op: 'PagedAttention.forward',
      argument: 'inputs',
      given: step,
      call: (given) => layer.forward(given),
    },
    {
      op: 'PagedAttention',
      argument: 'metadata',
      given: step.metadata,
      call: (given) => layer.forward({ ...step, metadata: given }),
    },
    {
      op: 'sampleTokens',
      argument: 'parameters',
      given: { temperature: 0 },
      call: (given) => core.sampleTokens(x, given),
    },
    {
      op: 'topkSoftmax',
      argument: 'options',
      given: { renormalize: true },
      call: (given) => core.topkSoftmax(x, 1, given),
    },
    {
      op: 'geluAndMul',
      argument: 'options',
      given: { approximate: 'tanh' },
      call: (given) => core.geluAndMul(x, given),
    },
    {
      op: 'rmsNorm',
      argument: 'options',
      given: { epsilon: 1e-6 },
      call: (given) => core.rmsNorm(x, tf.ones([4]), given),
    },
    {
      op: 'rotaryEmbedding',
      argument: 'options',
      given: { interleaved: true },
      call: (given) => core.rotaryEmbedding(rows, rows, ints(0, 0), tf.ones([1, 4]), tf.ones([1, 4]), given),
    },
    {
      op: 'moeGemm',
      argument: 'options',
      given: { topk: 1, input: 'tokens' },
      call: (given) => core.moeGemm(x, tf.ones([1, 3, 4]), experts.sorted, experts.ids, given),
    },
    {
      op: 'fusedMoe',
      argument: 'options',
      given: { activation: 'gelu' },
      call: (given) =>
        core.fusedMoe(x, tf.ones([1, 6, 4]), tf.ones([1, 4, 3]), tf.ones([2, 1]), zeroIds(2, 1), given),
    },
    {
      op: 'zerosWithStorage',
      argument: 'options',
      given: { memory: 'host' },
      call: (given) => core.zerosWithStorage([2], 'float32', given),
    },
  ];
}

describeOnBackends('objects passed by users', () => {
  test('are rejected if they are not objects, or have an unknown key', () => {
    for (const { op, argument, given, call } of optionCases()) {
      expect(() => call(given as never)).not.toThrow();
      const pattern = (received: string): RegExp =>
        new RegExp(`^\\[${op}\\] ${argument}: expected .*, received ${received}$`, 'u');
      expectAttentionError(
        () => call({ ...given, misspelt: undefined } as never),
        'ERR_UNSUPPORTED',
        pattern('"misspelt"'),
      );
      for (const [none, received] of [
        [null, 'null'],
        ['text', '"text"'],
        [7, '7'],
        [[1], '\\[1\\]'],
      ] as const) {
        expectAttentionError(() => call(none as never), 'ERR_DTYPE', pattern(received));
      }
    }
  });

  test('keys of a prototype count too, those of Object.prototype do not', () => {
    const inherited = Object.create({ softCap: 1 }) as object;
    const x = tf.ones([2, 4]);
    expectAttentionError(
      () => core.geluAndMul(x, inherited),
      'ERR_UNSUPPORTED',
      '[geluAndMul] options: expected only approximate, received "softCap"',
    );
    expect(() => core.geluAndMul(x, Object.create(null) as object)).not.toThrow();
    expectAttentionError(
      () => core.geluAndMul(x, { toString: 1 } as object),
      'ERR_UNSUPPORTED',
      '[geluAndMul] options: expected only approximate, received "toString"',
    );
  });

  test('metadata of a step is accepted by ops that read a part of it', () => {
    const rows = tf.ones([2, 1, 8]);
    const [keyCache, valueCache] = [tf.zeros([1, 8, 1, 8]), tf.zeros([1, 8, 1, 8])];
    const metadata = core.buildInputMetadata([
      { blockTable: [0], slots: [0, 1], contextLength: 2, queryLength: 2 },
    ]);
    expect(() => core.pagedAttention(rows, keyCache, valueCache, metadata)).not.toThrow();
  });
});
