import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from '@jest/globals';
import { zerosWithStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import type { OracleOptions } from '../testing/attention_oracle.ts';
import { checkBounds, describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import {
  TOLERANCE,
  expectAgrees,
  expectAttentionError,
  expectMatches,
  relativeError,
} from '../testing/compare.ts';
import { makePagedCase, oracleOf } from '../testing/paged_case.ts';
import type { PagedCase, PagedCaseSpec } from '../testing/paged_case.ts';
import { Random } from '../testing/random.ts';
import { pagedAttention, pagedAttentionWithLse } from './paged_attention.ts';

const LAYOUTS = ['flash', 'vllm'] as const;
const FUZZ_CASES = Number(process.env.ATTENTION_FUZZ_CASES ?? 60);

/** Sequences of a mixed batch: decode, prefill, chunk of a prefill, nothing at all, a chunk of more rows than a tile. */
const MIXED = [
  { queryLength: 1, contextLength: 37 },
  { queryLength: 19, contextLength: 19 },
  { queryLength: 7, contextLength: 90 },
  { queryLength: 0, contextLength: 0 },
  { queryLength: 20, contextLength: 73 },
];
const SMALL: PagedCaseSpec = { sequences: MIXED, heads: 4, kvHeads: 2, headSize: 32, blockSize: 16 };

/** More rows than a tile has, whatever kernel computes them, and rows that share tiles with padding. */
const LONG = [
  { queryLength: 130, contextLength: 200 },
  { queryLength: 1, contextLength: 70 },
  { queryLength: 0, contextLength: 0 },
  { queryLength: 87, contextLength: 87 },
];

function runCase({ query, keyCache, valueCache, metadata }: PagedCase, options: OracleOptions = {}) {
  return pagedAttentionWithLse(query, keyCache, valueCache, metadata, options);
}

function expectAgreesWithOracle(paged: PagedCase, options: OracleOptions = {}): void {
  const storage = paged.spec.storage ?? 'float32';
  const { output, lse } = runCase(paged, options);
  const reference = oracleOf(paged, options);
  expectMatches(output, reference.output, paged.query.shape, storage);
  // An LSE near 0 says nothing in relative terms; exp(LSE) is off by its absolute error.
  const difference = relativeError(
    Float64Array.from(lse.dataSync(), (value) => value + 100),
    reference.lse.map((value) => value + 100),
  );
  // In half precision a softcap's tanh may be approximate, to 2^-11 of its value.
  expect(difference).toBeLessThanOrEqual(storage === 'float32' ? 1e-6 : 1e-5);
}

const OPTIONS: [string, OracleOptions][] = [
  ['defaults', {}],
  ['a scale', { scale: 0.3 }],
  ['no causality', { causal: false }],
  ['softcap', { softcap: 1 }],
  ['softcap 0, which is off', { softcap: 0 }],
  ['a sliding window', { slidingWindow: 5 }],
  ['a sliding window of 1', { slidingWindow: 1 }],
  ['a sliding window without causality', { slidingWindow: 9, causal: false }],
  ['ALiBi', { alibiSlopes: [0.5, 0.25, 0.125, 0.0625] }],
  ['sinks', { sinks: [0.5, -3, 20, Number.NEGATIVE_INFINITY] }],
  [
    'everything at once',
    { scale: 0.7, softcap: 3, slidingWindow: 40, alibiSlopes: [0.5, 0.25, 0.1, 0.01], sinks: [1, 2, 3, 4] },
  ],
];

describeOnBackends('pagedAttention', (backendName) => {
  test.each(OPTIONS)('mixed batch with %s', (_title, options) => {
    for (const layout of LAYOUTS) {
      expectAgreesWithOracle(makePagedCase(new Random(1), { ...SMALL, layout, paddingRows: 3 }), options);
    }
  });

  test.each(ELEMENT_STORAGE_TYPES)('%s in both layouts', (storage: ElementStorage) => {
    for (const layout of LAYOUTS) {
      expectAgreesWithOracle(makePagedCase(new Random(2), { ...SMALL, layout, storage }));
    }
  });

  test.each([32, 40, 64, 72, 80, 96, 112, 128, 160, 192, 256, 512])('head size %d', (headSize) => {
    const sequences = [{ queryLength: 3, contextLength: 21 }];
    for (const layout of LAYOUTS) {
      expectAgreesWithOracle(makePagedCase(new Random(headSize), { ...SMALL, sequences, layout, headSize }));
    }
  });

  test.each([8, 16, 32, 64, 128, 256])('block size %d', (blockSize) => {
    const layouts = blockSize <= 64 ? LAYOUTS : (['flash'] as const);
    for (const layout of layouts) {
      expectAgreesWithOracle(makePagedCase(new Random(blockSize), { ...SMALL, layout, blockSize }));
    }
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 16])('groups of %d heads', (group) => {
    const sequences = [
      { queryLength: 1, contextLength: 70 },
      { queryLength: 17, contextLength: 30 },
    ];
    expectAgreesWithOracle(makePagedCase(new Random(group), { ...SMALL, sequences, heads: 2 * group }));
  });

  test.each(OPTIONS)('long prompts with %s', (_title, options) => {
    const spec = { ...SMALL, sequences: LONG, headSize: 64, storage: 'bfloat16' as const, paddingRows: 3 };
    expectAgreesWithOracle(makePagedCase(new Random(16), spec), options);
  });

  test.each([40, 72, 96, 112, 128, 160, 192, 256])('long prompts, head size %d', (headSize) => {
    const storage = headSize % 64 === 0 ? 'bfloat16' : 'float16';
    expectAgreesWithOracle(
      makePagedCase(new Random(headSize), { ...SMALL, sequences: LONG, headSize, storage }),
    );
  });

  test.each([8, 32, 128])('long prompts, block size %d', (blockSize) => {
    const spec = { ...SMALL, sequences: LONG, headSize: 128, storage: 'bfloat16' as const };
    expectAgreesWithOracle(makePagedCase(new Random(blockSize), { ...spec, blockSize }), {
      slidingWindow: 90,
    });
  });

  test.each([1, 3, 5, 8])('long prompts, groups of %d heads', (group) => {
    const spec = { ...SMALL, sequences: LONG, headSize: 64, storage: 'float16' as const };
    expectAgreesWithOracle(makePagedCase(new Random(group), { ...spec, heads: 4 * group, kvHeads: 4 }));
  });

  test('contexts around every tile and block border', () => {
    for (const length of [1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255, 256, 257]) {
      const sequences = [
        { queryLength: 1, contextLength: length },
        { queryLength: Math.min(length, 2), contextLength: length },
        { queryLength: length, contextLength: length },
      ];
      expectAgreesWithOracle(makePagedCase(new Random(length), { ...SMALL, sequences }));
    }
  });

  test('a window whose older blocks are gone from the table', () => {
    const sequences = [
      { queryLength: 1, contextLength: 200 },
      { queryLength: 9, contextLength: 200 },
    ];
    const slidingWindow = 37;
    const evictedBefore = (sequence: number) => 200 - sequences[sequence].queryLength + 1 - slidingWindow;
    expectAgreesWithOracle(makePagedCase(new Random(5), { ...SMALL, sequences, evictedBefore }), {
      slidingWindow,
    });
  });

  test('long contexts, a key or two around the borders of splits', () => {
    for (const length of [511, 512, 513, 2048, 4097]) {
      const sequences = [
        { queryLength: 1, contextLength: length },
        { queryLength: 3, contextLength: length - 1 },
      ];
      const spec = { ...SMALL, sequences, heads: 3, kvHeads: 1, blockSize: 32 };
      for (const options of [{}, { slidingWindow: 300 }, { alibiSlopes: [0.5, 0.01, 0.001] }]) {
        expectAgreesWithOracle(makePagedCase(new Random(length), spec), options);
      }
    }
  });

  test('large scores neither overflow nor lose the small ones', () => {
    expectAgreesWithOracle(makePagedCase(new Random(6), { ...SMALL, magnitude: 6 }));
  });

  test('slopes and sinks as tensors', () => {
    const paged = makePagedCase(new Random(7), SMALL);
    const options = { alibiSlopes: [0.5, 0.25, 0.125, 0.0625], sinks: [1, 2, 3, 4] };
    const tensors = { alibiSlopes: tf.tensor1d(options.alibiSlopes), sinks: tf.tensor1d(options.sinks) };
    const { query, keyCache, valueCache, metadata } = paged;
    const output = pagedAttention(query, keyCache, valueCache, metadata, tensors);
    expectMatches(output, oracleOf(paged, options).output, query.shape);
  });

  test('decode without cuSeqlensQ', () => {
    const sequences = [5, 0, 64, 130].map((contextLength) => ({ queryLength: 1, contextLength }));
    const paged = makePagedCase(new Random(8), { ...SMALL, sequences });
    paged.metadata.cuSeqlensQ = undefined;
    expectAgreesWithOracle(paged);
  });

  test('query rows of a sequence of length 0 give zeros', () => {
    const sequences = [
      { queryLength: 9, contextLength: 0 },
      { queryLength: 2, contextLength: 5 },
    ];
    expectAgreesWithOracle(makePagedCase(new Random(9), { ...SMALL, sequences }));
  });

  test('no sequences, no tokens', () => {
    expectAgreesWithOracle(makePagedCase(new Random(10), { ...SMALL, sequences: [] }));
    expectAgreesWithOracle(makePagedCase(new Random(10), { ...SMALL, sequences: [], paddingRows: 4 }));
    expectAgreesWithOracle(
      makePagedCase(new Random(10), { ...SMALL, sequences: [{ queryLength: 0, contextLength: 9 }] }),
    );
  });

  test('hints change nothing, be they right, too small or too large', () => {
    const paged = makePagedCase(new Random(11), SMALL);
    for (const [maxSeqlenQ, maxContextLen] of [
      [20, 90],
      [1, 1],
      [1000, 100_000],
    ]) {
      Object.assign(paged.metadata, { maxSeqlenQ, maxContextLen });
      expectAgreesWithOracle(paged);
    }
  });

  test.each<[string, OracleOptions]>([
    ['all keys', {}],
    ['a sliding window', { slidingWindow: 70 }],
  ])('chunks of a prefill and its decode steps agree with the prefill as a whole: %s', (_title, options) => {
    const length = 190;
    const { query, keyCache, valueCache, metadata } = makePagedCase(new Random(12), {
      ...SMALL,
      sequences: [{ queryLength: length, contextLength: length }],
    });
    const whole = pagedAttention(query, keyCache, valueCache, metadata, options).dataSync();
    for (const chunk of [1, 7, 64, 189]) {
      const parts = [];
      for (let start = 0; start < length; start += chunk) {
        const end = Math.min(length, start + chunk);
        const contextLens = tf.tensor1d([end], 'int32');
        const cuSeqlensQ = tf.tensor1d([0, end - start], 'int32');
        const rows = tf.slice(query, [start, 0, 0], [end - start, 4, 32]);
        const part = { ...metadata, contextLens, cuSeqlensQ };
        parts.push(pagedAttention(rows, keyCache, valueCache, part, options));
      }
      const joined = tf.concat(parts).dataSync();
      expectAgrees(backendName, joined, whole);
    }
  });

  test('a sequence alone agrees with the same sequence in a batch', () => {
    const paged = makePagedCase(new Random(13), SMALL);
    const { query, keyCache, valueCache, metadata } = paged;
    const batched = pagedAttention(query, keyCache, valueCache, metadata);
    let start = 0;
    MIXED.forEach(({ queryLength, contextLength }, i) => {
      const alone = pagedAttention(
        tf.slice(query, [start, 0, 0], [queryLength, 4, 32]),
        keyCache,
        valueCache,
        {
          blockTables: tf.slice(metadata.blockTables, [i, 0], [1, -1]),
          contextLens: tf.tensor1d([contextLength], 'int32'),
          cuSeqlensQ: tf.tensor1d([0, queryLength], 'int32'),
        },
      ).dataSync();
      const rows = tf.slice(batched, [start, 0, 0], [queryLength, 4, 32]).dataSync();
      expectAgrees(backendName, alone, rows);
      start += queryLength;
    });
  });

  test('the same call gives the same bits', () => {
    const paged = makePagedCase(new Random(14), SMALL);
    const [first, second] = [runCase(paged), runCase(paged)].map(({ output }) => output.dataSync());
    expect(first).toEqual(second);
  });

  test(`${FUZZ_CASES} random cases`, () => {
    for (let seed = 0; seed < FUZZ_CASES; seed++) {
      const random = new Random(1000 + seed);
      const kvHeads = random.integer(1, 3);
      const heads = kvHeads * random.integer(1, 8);
      const sequences = Array.from({ length: random.integer(0, 6) }, () => {
        const contextLength = random.pick([0, 1, random.integer(2, 40), random.integer(40, 300)]);
        return {
          contextLength,
          queryLength: Math.min(contextLength, random.pick([0, 1, 1, random.integer(2, 90)])),
        };
      });
      const layout = random.pick(LAYOUTS);
      const maybe = <T>(value: T): T | undefined => (random.uniform() < 0.3 ? value : undefined);
      const options: OracleOptions = {
        scale: maybe(random.uniform()),
        causal: maybe(false),
        softcap: maybe(random.integer(1, 50)),
        slidingWindow: maybe(random.integer(1, 200)),
        alibiSlopes: maybe(Array.from({ length: heads }, () => Math.fround(random.uniform()))),
        sinks: maybe(Array.from({ length: heads }, () => random.integer(-5, 5))),
      };
      const spec: PagedCaseSpec = {
        sequences,
        heads,
        kvHeads,
        headSize: random.pick([32, 64, 72, 96, 128]),
        blockSize: random.pick(layout === 'vllm' ? [8, 16, 32, 64] : [8, 16, 32, 64, 128, 256]),
        layout,
        storage: random.pick(ELEMENT_STORAGE_TYPES),
        paddingRows: random.integer(0, 3),
        extraColumns: random.integer(0, 4),
        magnitude: random.pick([0.5, 1, 3]),
      };
      const paged = makePagedCase(random, spec);
      const error = relativeError(runCase(paged, options).output.dataSync(), oracleOf(paged, options).output);
      if (!(error <= TOLERANCE[spec.storage ?? 'float32'])) {
        throw new Error(`seed ${seed}: error ${error} in ${JSON.stringify({ spec, options })}`);
      }
      tf.dispose([paged.query, paged.keyCache, paged.valueCache]);
    }
    expect(FUZZ_CASES).toBeGreaterThan(0);
  });

  test('leaks nothing, arrays of slopes and sinks included', () => {
    const { query, keyCache, valueCache, metadata } = makePagedCase(new Random(15), SMALL);
    const options = { alibiSlopes: [1, 1, 1, 1], sinks: [1, 1, 1, 1] };
    expectNoLeak(() => pagedAttention(query, keyCache, valueCache, metadata, options));
    expectNoLeak(() => Object.values(pagedAttentionWithLse(query, keyCache, valueCache, metadata)));
  });

  type Change = (arguments_: {
    query: tf.Tensor;
    keyCache: tf.Tensor;
    valueCache: tf.Tensor;
    metadata: PagedCase['metadata'];
    options: OracleOptions;
  }) => void;

  const REJECTED: [string, Change, 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_RANGE' | 'ERR_UNSUPPORTED', string][] = [
    [
      'heads not a multiple of the KV heads',
      (a) => (a.query = tf.zeros([47, 3, 32])),
      'ERR_SHAPE',
      'query: expected shape [tokens, heads, 32] with heads a multiple of 2, received [47, 3, 32]',
    ],
    [
      'another head size than the cache',
      (a) => (a.query = tf.zeros([47, 4, 40])),
      'ERR_SHAPE',
      'query: expected shape [tokens, heads, 32] with heads a multiple of 2, received [47, 4, 40]',
    ],
    [
      'a query that is no tensor',
      (a) => (a.query = [1] as unknown as tf.Tensor),
      'ERR_DTYPE',
      'query: expected a Tensor, received [1]',
    ],
    [
      'an int32 query',
      (a) => (a.query = tf.zeros([47, 4, 32], 'int32')),
      'ERR_DTYPE',
      'query: expected float32, received int32',
    ],
    [
      'a cache of another storage type',
      (a) =>
        Object.assign(a, makePagedCase(new Random(1), { ...SMALL, storage: 'float16' }), { query: a.query }),
      'ERR_DTYPE',
      'query: expected storage float16 to match keyCache, received float32',
    ],
    [
      'a block size that no kernel has',
      (a) => (a.keyCache = a.valueCache = tf.zeros([9, 24, 2, 32])),
      'ERR_UNSUPPORTED',
      'keyCache: expected a block size of 8, 16, 32, 64, 128, 256 in layout flash, received 24',
    ],
    [
      'a head size that no kernel has',
      (a) => (a.keyCache = a.valueCache = tf.zeros([9, 16, 2, 260])),
      'ERR_UNSUPPORTED',
      'keyCache: expected a head size that is a multiple of 8 up to 256, or 512, received 260',
    ],
    [
      'context lengths as floats',
      (a) => (a.metadata.contextLens = tf.zeros([5])),
      'ERR_DTYPE',
      'contextLens: expected int32, received float32',
    ],
    [
      'context lengths of rank 2',
      (a) => (a.metadata.contextLens = tf.zeros([5, 1], 'int32')),
      'ERR_SHAPE',
      'contextLens: expected shape [sequences], received [5, 1]',
    ],
    [
      'a block table of floats',
      (a) => (a.metadata.blockTables = tf.zeros([5, 9])),
      'ERR_DTYPE',
      'blockTables: expected int32, received float32',
    ],
    [
      'cuSeqlensQ as floats',
      (a) => (a.metadata.cuSeqlensQ = tf.zeros([6])),
      'ERR_DTYPE',
      'cuSeqlensQ: expected int32, received float32',
    ],
    [
      'a block table with other rows than sequences',
      (a) => (a.metadata.blockTables = tf.zeros([4, 9], 'int32')),
      'ERR_SHAPE',
      'blockTables: expected shape [5, maxBlocks]: one row per sequence, received [4, 9]',
    ],
    [
      'cuSeqlensQ of another length',
      (a) => (a.metadata.cuSeqlensQ = tf.zeros([5], 'int32')),
      'ERR_SHAPE',
      'cuSeqlensQ: expected shape [6]: sequences + 1, received [5]',
    ],
    [
      'no cuSeqlensQ and other tokens than sequences',
      (a) => (a.metadata.cuSeqlensQ = undefined),
      'ERR_SHAPE',
      'query: expected 5 tokens, one per sequence without cuSeqlensQ, received 47',
    ],
    [
      'slopes for other heads',
      (a) => (a.options.alibiSlopes = [1, 2, 3]),
      'ERR_SHAPE',
      'alibiSlopes: expected shape [4]: one value per head, received [3]',
    ],
    [
      'slopes that are no numbers',
      (a) => (a.options.alibiSlopes = ['1'] as unknown as number[]),
      'ERR_DTYPE',
      'alibiSlopes: expected a Tensor or an array of numbers, received ["1"]',
    ],
    [
      'sinks in half precision',
      (a) => (a.options.sinks = zerosWithStorage([4], 'float16') as unknown as number[]),
      'ERR_DTYPE',
      'sinks: expected storage float32, received float16',
    ],
    [
      'no metadata',
      (a) => (a.metadata = undefined as unknown as PagedCase['metadata']),
      'ERR_DTYPE',
      'metadata: expected an object, received undefined',
    ],
    [
      'no block table',
      (a) => (a.metadata.blockTables = undefined as unknown as tf.Tensor),
      'ERR_DTYPE',
      'blockTables: expected a Tensor, received undefined',
    ],
    [
      'a scale of NaN',
      (a) => (a.options.scale = Number.NaN),
      'ERR_RANGE',
      'scale: expected a finite number, received NaN',
    ],
    [
      'a scale that overflows on a device',
      (a) => (a.options.scale = 3e38),
      'ERR_RANGE',
      'scale: expected a number whose product with log2(e) fits float32, received 3e+38',
    ],
    [
      'a softcap that overflows on a device',
      (a) => (a.options.softcap = 3e38),
      'ERR_RANGE',
      'softcap: expected a number whose product with log2(e) fits float32, received 3e+38',
    ],
    [
      'a softcap that is too small',
      (a) => Object.assign(a.options, { scale: 2, softcap: 1e-39 }),
      'ERR_RANGE',
      'softcap: expected a number by which scale 2 can be divided in float32, received 1e-39',
    ],
    [
      'a negative softcap',
      (a) => (a.options.softcap = -1),
      'ERR_RANGE',
      'softcap: expected a finite number >= 0, received -1',
    ],
    [
      'a softcap that is a string',
      (a) => (a.options.softcap = '5' as unknown as number),
      'ERR_RANGE',
      'softcap: expected a finite number >= 0, received "5"',
    ],
    [
      'an option of another name',
      (a) => Object.assign(a.options, { slidingwindow: 4 }),
      'ERR_UNSUPPORTED',
      'options: expected only scale, causal, softcap, slidingWindow, alibiSlopes, sinks, received "slidingwindow"',
    ],
    [
      'a mask, which needs contiguous keys',
      (a) => Object.assign(a.options, { attentionMask: tf.ones([1]) }),
      'ERR_UNSUPPORTED',
      'options: expected only scale, causal, softcap, slidingWindow, alibiSlopes, sinks, received "attentionMask"',
    ],
    [
      'an empty window',
      (a) => (a.options.slidingWindow = 0),
      'ERR_RANGE',
      'slidingWindow: expected an integer >= 1, received 0',
    ],
  ];

  test.each(REJECTED)('rejects %s', (_title, change, code, message) => {
    const { query, keyCache, valueCache, metadata } = makePagedCase(new Random(16), SMALL);
    const a = { query: query, keyCache, valueCache, metadata, options: {} };
    change(a);
    const call = () => pagedAttention(a.query, a.keyCache, a.valueCache, a.metadata, a.options);
    expectAttentionError(call, code, `[pagedAttention] ${message}`);
  });

  describe('elements that are out of bounds', () => {
    checkBounds(backendName);

    const VALUES: [string, Change, string][] = [
      [
        'a needed table entry outside of the cache',
        (a) => {
          const table = a.metadata.blockTables.dataSync();
          table[1] = 99;
          a.metadata.blockTables = tf.tensor(table, a.metadata.blockTables.shape, 'int32');
        },
        'blockTables[0, 1]: expected 0 to 18, received 99',
      ],
      [
        'a context longer than its row of the table',
        (a) => (a.metadata.contextLens = tf.tensor1d([37, 19, 1000, 0, 73], 'int32')),
        'contextLens[2]: expected 0 to 128, the slots of blockTables[2], received 1000',
      ],
      [
        'a needed table entry one past the last block',
        (a) => {
          const table = a.metadata.blockTables.dataSync().slice();
          table[0] = 19;
          a.metadata.blockTables = tf.tensor(table, a.metadata.blockTables.shape, 'int32');
        },
        'blockTables[0, 0]: expected 0 to 18, received 19',
      ],
      [
        'a needed table entry of -1',
        (a) => {
          const table = a.metadata.blockTables.dataSync().slice();
          table[0] = -1;
          a.metadata.blockTables = tf.tensor(table, a.metadata.blockTables.shape, 'int32');
        },
        'blockTables[0, 0]: expected 0 to 18, received -1',
      ],
      [
        'a negative context length',
        (a) => (a.metadata.contextLens = tf.tensor1d([37, 19, -1, 0, 73], 'int32')),
        'contextLens[2]: expected 0 to 128, the slots of blockTables[2], received -1',
      ],
      [
        'a context one longer than its row of the table',
        (a) => (a.metadata.contextLens = tf.tensor1d([37, 19, 129, 0, 73], 'int32')),
        'contextLens[2]: expected 0 to 128, the slots of blockTables[2], received 129',
      ],
      [
        'a context that leaves out tokens of this step',
        (a) => {
          a.metadata.contextLens = tf.tensor1d([3], 'int32');
          a.metadata.cuSeqlensQ = tf.tensor1d([0, 5], 'int32');
          a.metadata.blockTables = tf.slice(a.metadata.blockTables, [0, 0], [1, -1]);
        },
        "contextLens[0]: expected 0, or at least 5, the sequence's query rows (the context length includes this " +
          "step's tokens), received 3",
      ],
      [
        'falling cuSeqlensQ',
        (a) => (a.metadata.cuSeqlensQ = tf.tensor1d([0, 9, 5, 5, 6, 7], 'int32')),
        'cuSeqlensQ[2]: expected 9 to 47, received 5',
      ],
      [
        'cuSeqlensQ that do not start at 0',
        (a) => (a.metadata.cuSeqlensQ = tf.tensor1d([1, 2, 3, 4, 5, 6], 'int32')),
        'cuSeqlensQ[0]: expected 0, received 1',
      ],
      [
        'cuSeqlensQ past the rows',
        (a) => (a.metadata.cuSeqlensQ = tf.tensor1d([0, 1, 2, 3, 4, 48], 'int32')),
        'cuSeqlensQ[5]: expected 4 to 47, received 48',
      ],
    ];
    test.each(VALUES)('rejects %s', (_title, change, message) => {
      const { query, keyCache, valueCache, metadata } = makePagedCase(new Random(17), SMALL);
      const a = { query: query, keyCache, valueCache, metadata, options: {} };
      change(a);
      const call = () => pagedAttention(a.query, a.keyCache, a.valueCache, a.metadata, a.options);
      expectAttentionError(call, 'ERR_RANGE', `[pagedAttention] ${message}`);
    });
  });
});
