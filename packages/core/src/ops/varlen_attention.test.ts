import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { attentionOracle } from '../testing/attention_oracle.ts';
import type { OracleOptions } from '../testing/attention_oracle.ts';
import { checkBounds, describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { varlenAttention } from './varlen_attention.ts';
import type { VarlenAttentionOptions } from './varlen_attention.ts';

const LENGTHS = [
  { queries: 20, keys: 20 },
  { queries: 1, keys: 67 },
  { queries: 0, keys: 5 },
  { queries: 40, keys: 101 },
  { queries: 2, keys: 0 },
];
const [HEADS, KV_HEADS, HEAD_SIZE, PADDING] = [6, 2, 40, 2];

interface Packed {
  query: tf.Tensor;
  key: tf.Tensor;
  value: tf.Tensor;
  metadata: { cuSeqlensQ: tf.Tensor1D; cuSeqlensK: tf.Tensor1D };
  reference: (options: OracleOptions, mask?: (head: number, row: number, key: number) => number) => number[];
}

function nested({ tensor }: { tensor: tf.Tensor }): number[][][] {
  return tensor.arraySync() as number[][][];
}

function makePacked(
  seed: number,
  storage: ElementStorage = 'float32',
  { lengths = LENGTHS, heads = HEADS, kvHeads = KV_HEADS, headSize = HEAD_SIZE } = {},
): Packed {
  const random = new Random(seed);
  const starts = { queries: [0], keys: [0] };
  for (const { queries, keys } of lengths) {
    starts.queries.push(starts.queries[starts.queries.length - 1] + queries);
    starts.keys.push(starts.keys[starts.keys.length - 1] + keys);
  }
  const rows = (starts.queries.at(-1) ?? 0) + PADDING;
  const keyRows = starts.keys.at(-1) ?? 0;
  const query = randomTensor(random, [rows, heads, headSize], storage);
  const key = randomTensor(random, [keyRows, kvHeads, headSize], storage);
  const value = randomTensor(random, [keyRows, kvHeads, headSize], storage);
  return {
    query: query.tensor,
    key: key.tensor,
    value: value.tensor,
    metadata: {
      cuSeqlensQ: tf.tensor1d(starts.queries, 'int32'),
      cuSeqlensK: tf.tensor1d(starts.keys, 'int32'),
    },
    reference(options, mask) {
      const [q, k, v] = [nested(query), nested(key), nested(value)];
      const outputs = lengths.flatMap((_, i) => {
        const [q0, q1, k0, k1] = [
          starts.queries[i],
          starts.queries[i + 1],
          starts.keys[i],
          starts.keys[i + 1],
        ];
        const sequence = { query: q.slice(q0, q1), key: k.slice(k0, k1), value: v.slice(k0, k1) };
        const shifted = mask && ((head: number, row: number, j: number) => mask(head, q0 + row, k0 + j));
        return attentionOracle(sequence, { ...options, mask: shifted }).output.flat(2);
      });
      return [...outputs, ...Array.from({ length: PADDING * heads * headSize }, () => 0)];
    },
  };
}

describeOnBackends('varlenAttention', (backendName) => {
  test.each(ELEMENT_STORAGE_TYPES)('packed sequences in %s', (storage) => {
    const { query, key, value, metadata, reference } = makePacked(1, storage);
    expectMatches(varlenAttention(query, key, value, metadata), reference({}), query.shape, storage);
  });

  test.each<[string, OracleOptions]>([
    ['no causality', { causal: false }],
    ['softcap', { softcap: 2 }],
    ['a sliding window', { slidingWindow: 11 }],
    ['ALiBi and a scale', { alibiSlopes: [0.5, 0.25, 0.125, 0.0625, 0.03125, 1], scale: 0.4 }],
    ['sinks', { sinks: [0, 1, -1, 5, 2, 3] }],
    [
      'everything at once',
      {
        scale: 0.7,
        softcap: 3,
        slidingWindow: 40,
        alibiSlopes: [0.5, 0.25, 0.1, 0.01, 1, 2],
        sinks: [0, 1, 2, 3, 4, 5],
      },
    ],
  ])('with %s', (_title, options) => {
    const { query, key, value, metadata, reference } = makePacked(2);
    expectMatches(varlenAttention(query, key, value, metadata, options), reference(options), query.shape);
  });

  test.each([8, 32, 72, 128, 256, 512])('head size %d', (headSize) => {
    const { query, key, value, metadata, reference } = makePacked(9, 'float32', { headSize });
    expectMatches(varlenAttention(query, key, value, metadata), reference({}), query.shape);
  });

  test.each([1, 3, 5, 7, 8])('groups of %d heads', (group) => {
    const sizes = { heads: 2 * group, kvHeads: 2 };
    const { query, key, value, metadata, reference } = makePacked(10, 'float32', sizes);
    expectMatches(varlenAttention(query, key, value, metadata), reference({}), query.shape);
  });

  test.each<[string, OracleOptions]>([
    ['defaults', {}],
    ['no causality', { causal: false }],
    ['softcap', { softcap: 2 }],
    ['a sliding window', { slidingWindow: 90 }],
    ['ALiBi and sinks', { alibiSlopes: [0.5, 0.25, 0.125, 0.0625], sinks: [0, 1, -1, 5] }],
  ])('long sequences with %s', (_title, options) => {
    const lengths = [
      { queries: 130, keys: 200 },
      { queries: 3, keys: 9 },
      { queries: 87, keys: 87 },
    ];
    for (const [headSize, storage] of [
      [64, 'float16'],
      [72, 'bfloat16'],
      [128, 'bfloat16'],
    ] as const) {
      const sizes = { lengths, heads: 4, kvHeads: 2, headSize };
      const { query, key, value, metadata, reference } = makePacked(18, storage, sizes);
      expectMatches(
        varlenAttention(query, key, value, metadata, options),
        reference(options),
        query.shape,
        storage,
      );
    }
  });

  test('lengths around every border of tiles and splits', () => {
    const lengths = [63, 64, 65, 127, 128, 129, 511, 512, 513, 2049].flatMap((keys) => [
      { queries: 1, keys },
      { queries: 2, keys },
    ]);
    const sizes = { lengths, heads: 2, kvHeads: 1, headSize: 16 };
    const { query, key, value, metadata, reference } = makePacked(11, 'float32', sizes);
    for (const options of [{}, { slidingWindow: 65 }]) {
      const output = varlenAttention(query, key, value, metadata, options);
      expectMatches(output, reference(options), query.shape);
    }
  });

  test('hints change nothing, be they right, too small or too large', () => {
    const { query, key, value, metadata, reference } = makePacked(12);
    for (const [maxSeqlenQ, maxSeqlenK] of [
      [40, 101],
      [1, 1],
      [1000, 100_000],
    ]) {
      const output = varlenAttention(query, key, value, { ...metadata, maxSeqlenQ, maxSeqlenK });
      expectMatches(output, reference({}), query.shape);
    }
  });

  test.each([
    { shape: [HEADS, 65, 193] },
    { shape: [1, 65, 193] },
    { shape: [HEADS, 1, 193] },
    { shape: [HEADS, 1, 1] },
    { shape: [65, 193] },
    { shape: [193] },
    { shape: [] },
  ])('with an additive mask of shape $shape', ({ shape }) => {
    const { query, key, value, metadata, reference } = makePacked(3);
    const size = shape.reduce((product, length) => product * length, 1);
    const random = new Random(4);
    const numbers = Float32Array.from({ length: size }, () =>
      random.uniform() < 0.2 && size > 10 ? Number.NEGATIVE_INFINITY : Math.fround(random.uniform() * 4 - 2),
    );
    const attentionMask = tf.tensor(numbers, shape);
    const full = tf.broadcastTo(attentionMask, [HEADS, 65, 193]).arraySync() as number[][][];
    const output = varlenAttention(query, key, value, metadata, { attentionMask, softcap: 5 });
    const expected = reference({ softcap: 5 }, (head, row, j) => full[head][row][j]);
    expectMatches(output, expected, query.shape);
  });

  test('a mask that hides every key gives zeros', () => {
    const { query, key, value, metadata } = makePacked(5);
    const attentionMask = tf.mul(tf.ones([65, 193]), Number.NEGATIVE_INFINITY);
    const output = varlenAttention(query, key, value, metadata, { attentionMask, sinks: [1, 1, 1, 1, 1, 1] });
    expect(output.dataSync().every((x) => x === 0)).toBe(true);
  });

  test('no sequences, no tokens', () => {
    const [query, key] = [
      tf.zeros<tf.Rank.R3>([0, HEADS, HEAD_SIZE]),
      tf.zeros<tf.Rank.R3>([0, KV_HEADS, HEAD_SIZE]),
    ];
    const zero = tf.tensor1d([0], 'int32');
    const output = varlenAttention(query, key, key, { cuSeqlensQ: zero, cuSeqlensK: zero });
    expect(output.shape).toEqual([0, HEADS, HEAD_SIZE]);
  });

  test('leaks nothing', () => {
    const { query, key, value, metadata } = makePacked(6);
    expectNoLeak(() => varlenAttention(query, key, value, metadata, { alibiSlopes: [1, 2, 3, 4, 5, 6] }));
  });

  type Arguments = Omit<Packed, 'reference'> & { options: VarlenAttentionOptions };

  test.each<
    [string, (a: Arguments) => void, 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_RANGE' | 'ERR_UNSUPPORTED', string]
  >([
    [
      'heads not a multiple of the KV heads',
      (a) => (a.query = tf.zeros([65, 5, HEAD_SIZE])),
      'ERR_SHAPE',
      'query: expected shape [tokens, heads, 40] with heads a multiple of 2, received [65, 5, 40]',
    ],
    [
      'keys of rank 2',
      (a) => (a.key = tf.zeros([193, 80])),
      'ERR_SHAPE',
      'key: expected shape [keys, kvHeads, headSize], received [193, 80]',
    ],
    [
      'values of another shape than keys',
      (a) => (a.value = tf.zeros([192, KV_HEADS, HEAD_SIZE])),
      'ERR_SHAPE',
      'value: expected shape [193, 2, 40] to match key, received [192, 2, 40]',
    ],
    [
      'a head size that no kernel has',
      (a) => Object.assign(a, { key: tf.zeros([9, 1, 44]), value: tf.zeros([9, 1, 44]) }),
      'ERR_UNSUPPORTED',
      'key: expected a head size that is a multiple of 8 up to 256, or 512, received 44',
    ],
    [
      'keys of another storage type',
      (a) => (a.key = makePacked(1, 'bfloat16').key),
      'ERR_DTYPE',
      'key: expected storage float32 to match query, received bfloat16',
    ],
    [
      'values of another storage type',
      (a) => (a.value = makePacked(1, 'bfloat16').value),
      'ERR_DTYPE',
      'value: expected storage float32 to match query, received bfloat16',
    ],
    [
      'no KV heads',
      (a) => Object.assign(a, { key: tf.zeros([193, 0, HEAD_SIZE]), value: tf.zeros([193, 0, HEAD_SIZE]) }),
      'ERR_SHAPE',
      'key: expected at least one KV head, received [193, 0, 40]',
    ],
    [
      'starts of queries as floats',
      (a) => (a.metadata.cuSeqlensQ = tf.zeros([6])),
      'ERR_DTYPE',
      'cuSeqlensQ: expected int32, received float32',
    ],
    [
      'starts of keys as floats',
      (a) => (a.metadata.cuSeqlensK = tf.zeros([6])),
      'ERR_DTYPE',
      'cuSeqlensK: expected int32, received float32',
    ],
    [
      'a mask in half precision',
      (a) => (a.options.attentionMask = zerosWithStorage([65, 193], 'float16')),
      'ERR_DTYPE',
      'attentionMask: expected storage float32, received float16',
    ],
    [
      'causality that is no boolean',
      (a) => (a.options.causal = 1 as unknown as boolean),
      'ERR_RANGE',
      'causal: expected one of true, false, received 1',
    ],
    [
      'an option of another name',
      (a) => Object.assign(a.options, { window: 4 }),
      'ERR_UNSUPPORTED',
      'options: expected only scale, causal, softcap, slidingWindow, alibiSlopes, sinks, attentionMask, received "window"',
    ],
    [
      'no metadata',
      (a) => (a.metadata = undefined as unknown as Packed['metadata']),
      'ERR_DTYPE',
      'metadata: expected an object, received undefined',
    ],
    [
      'other sequences for keys than for queries',
      (a) => (a.metadata.cuSeqlensK = tf.tensor1d([0, 193], 'int32')),
      'ERR_SHAPE',
      'cuSeqlensK: expected shape [6] to match cuSeqlensQ, received [2]',
    ],
    [
      'cuSeqlensQ without its 0',
      (a) => (a.metadata.cuSeqlensQ = tf.zeros([0], 'int32')),
      'ERR_SHAPE',
      'cuSeqlensQ: expected shape [sequences + 1], received [0]',
    ],
    [
      'a mask that does not broadcast',
      (a) => (a.options.attentionMask = tf.zeros([2, 65, 193])),
      'ERR_SHAPE',
      'attentionMask: expected shape broadcastable to [6, 65, 193], received [2, 65, 193]',
    ],
    [
      'a boolean mask',
      (a) => (a.options.attentionMask = tf.zeros([65, 193], 'bool')),
      'ERR_DTYPE',
      'attentionMask: expected float32, received bool',
    ],
  ])('rejects %s', (_title, change, code, message) => {
    const { query, key, value, metadata } = makePacked(7);
    const a: Arguments = { query, key, value, metadata, options: {} };
    change(a);
    const call = () => varlenAttention(a.query, a.key, a.value, a.metadata, a.options);
    expectAttentionError(call, code, `[varlenAttention] ${message}`);
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    test('rejects falling starts of queries', () => {
      const { query, key, value, metadata: valid } = makePacked(8);
      expectAttentionError(
        () =>
          varlenAttention(query, key, value, {
            ...valid,
            cuSeqlensQ: tf.tensor1d([0, 9, 8, 8, 8, 8], 'int32'),
          }),
        'ERR_RANGE',
        '[varlenAttention] cuSeqlensQ[2]: expected 9 to 65, received 8',
      );
    });

    test('rejects starts of keys past the rows', () => {
      const { query, key, value, metadata } = makePacked(8);
      const cuSeqlensK = tf.tensor1d([0, 1, 2, 3, 4, 194], 'int32');
      expectAttentionError(
        () => varlenAttention(query, key, value, { ...metadata, cuSeqlensK }),
        'ERR_RANGE',
        '[varlenAttention] cuSeqlensK[5]: expected 4 to 193, received 194',
      );
    });
  });
});
