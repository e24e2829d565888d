import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import type { InputMetadata } from '../cache/input_metadata.ts';
import { PagedKVCache } from '../cache/paged_kv_cache.ts';
import type { AttentionErrorCode } from '../errors.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { attentionOracle } from '../testing/attention_oracle.ts';
import type { OracleOptions } from '../testing/attention_oracle.ts';
import { describeOnBackends, expectNoLeak } from '../testing/backends.ts';
import { expectAttentionError, expectMatches } from '../testing/compare.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';
import { PagedAttention } from './paged_attention.ts';
import type { PagedAttentionForward, PagedAttentionOptions } from './paged_attention.ts';

const [HEADS, KV_HEADS, HEAD_SIZE] = [6, 2, 16];
const layer = new PagedAttention({ numHeads: HEADS, numKvHeads: KV_HEADS, headSize: HEAD_SIZE });

const LAYOUTS = ['[T, H, D]', '[T, H*D]', '[B, S, H*D]', '[B, H, S, D]'] as const;
type Layout = (typeof LAYOUTS)[number];

interface Laid {
  tensor: tf.Tensor;
  /** `[sequence][token][head][element]`. */
  rows: number[][][][];
}

/** Random numbers for B sequences of S tokens in a layout, and the same as nested arrays. */
function laidOut(
  random: Random,
  layout: Layout,
  [size, length, heads]: [number, number, number],
  storage: ElementStorage = 'float32',
): Laid {
  const width = heads * HEAD_SIZE;
  const shapes: Record<Layout, number[]> = {
    '[T, H, D]': [size * length, heads, HEAD_SIZE],
    '[T, H*D]': [size * length, width],
    '[B, S, H*D]': [size, length, width],
    '[B, H, S, D]': [size, heads, length, HEAD_SIZE],
  };
  const { tensor, values } = randomTensor(random, shapes[layout], storage);
  const strides = layout === '[B, H, S, D]' ? [HEAD_SIZE, length * HEAD_SIZE] : [width, HEAD_SIZE];
  const rows = Array.from({ length: size }, (_b, b) =>
    Array.from({ length }, (_t, t) =>
      Array.from({ length: heads }, (_h, h) => {
        const start = b * length * width + t * strides[0] + h * strides[1];
        return Array.from(values.subarray(start, start + HEAD_SIZE));
      }),
    ),
  );
  return { tensor, rows };
}

/** The oracle's output of each sequence, in the order of the layout. */
function expectedOutput(
  layout: Layout,
  { query, key, value }: Record<'query' | 'key' | 'value', Laid>,
  options: OracleOptions = {},
): number[] {
  return query.rows.flatMap((rows, b) => {
    const { output } = attentionOracle({ query: rows, key: key.rows[b], value: value.rows[b] }, options);
    if (layout !== '[B, H, S, D]') return output.flat(2);
    return Array.from({ length: HEADS }, (_, head) => output.flatMap((heads) => heads[head])).flat();
  });
}

const ints = (values: number[]): tf.Tensor1D => tf.tensor1d(values, 'int32');

/** A cache of one layer and two blocks of 8. */
function smallCache(): PagedKVCache {
  return new PagedKVCache({
    numLayers: 1,
    numBlocks: 2,
    blockSize: 8,
    numKvHeads: KV_HEADS,
    headSize: HEAD_SIZE,
  });
}

/** One sequence in block 1 of a cache, all of it written in this step. */
function oneSequence(length: number): Omit<InputMetadata, 'isPrefill'> {
  return {
    slotMapping: ints(Array.from({ length }, (_, i) => 8 + i)),
    blockTables: tf.tensor2d([[1]], [1, 1], 'int32'),
    contextLens: ints([length]),
  };
}

/** The packed sequences of `laid` that start at `starts`. */
function split({ tensor, rows }: Laid, starts: number[]): Laid {
  return { tensor, rows: [0, 1].map((i) => rows[0].slice(starts[i], starts[i + 1])) };
}

/** `last` with the rows of `earlier` before its own. */
function after(earlier: Laid, last: Laid): Laid {
  return { ...last, rows: last.rows.map((rows, b) => [...earlier.rows[b], ...rows]) };
}

function expectOpen(call: PagedAttentionForward, message: string): void {
  expectAttentionError(() => layer.forward(call), 'ERR_SHAPE', `[PagedAttention] ${message}`);
}

describeOnBackends('PagedAttention', (backendName) => {
  test.each(LAYOUTS.flatMap((layout) => [[layout, 'float32'] as const, [layout, 'bfloat16'] as const]))(
    'without a cache: prefill of %s in %s',
    (layout, storage) => {
      const size = layout.startsWith('[B') ? 3 : 1; // [T, ..] is one sequence
      const random = new Random(1);
      const query = laidOut(random, layout, [size, 5, HEADS], storage);
      const key = laidOut(random, layout, [size, 5, KV_HEADS], storage);
      const value = laidOut(random, layout, [size, 5, KV_HEADS], storage);
      const tensors = { query: query.tensor, key: key.tensor, value: value.tensor };
      const output = layer.forward({ ...tensors, metadata: { isPrefill: true }, softcap: 2 });
      const expected = expectedOutput(layout, { query, key, value }, { softcap: 2 });
      expectMatches(output, expected, query.tensor.shape, storage);
    },
  );

  test.each(['[B, S, H*D]', '[B, H, S, D]'] as const)(
    'without a cache: more keys than queries, %s',
    (layout) => {
      const random = new Random(2);
      for (const [isPrefill, queryLength] of [
        [true, 3],
        [false, 1],
      ] as const) {
        const query = laidOut(random, layout, [2, queryLength, HEADS]);
        const key = laidOut(random, layout, [2, 7, KV_HEADS]);
        const value = laidOut(random, layout, [2, 7, KV_HEADS]);
        const output = layer.forward({
          query: query.tensor,
          key: key.tensor,
          value: value.tensor,
          metadata: { isPrefill },
        });
        expectMatches(output, expectedOutput(layout, { query, key, value }), query.tensor.shape);
      }
    },
  );

  test('without a cache: cuSeqlensQ and cuSeqlensK decide', () => {
    const random = new Random(3);
    const query = laidOut(random, '[T, H*D]', [1, 6, HEADS]);
    const key = laidOut(random, '[T, H*D]', [1, 9, KV_HEADS]);
    const value = laidOut(random, '[T, H*D]', [1, 9, KV_HEADS]);
    const metadata = { isPrefill: true, cuSeqlensQ: ints([0, 4, 5]), cuSeqlensK: ints([0, 4, 9]) };
    const output = layer.forward({ query: query.tensor, key: key.tensor, value: value.tensor, metadata });
    const sequences = {
      query: split(query, [0, 4, 5]),
      key: split(key, [0, 4, 9]),
      value: split(value, [0, 4, 9]),
    };
    const padding = Array.from({ length: HEADS * HEAD_SIZE }, () => 0);
    expectMatches(output, [...expectedOutput('[T, H*D]', sequences), ...padding], [6, HEADS * HEAD_SIZE]);
  });

  test('without a cache: adds attentionMask on top of causality', () => {
    const random = new Random(4);
    const query = laidOut(random, '[T, H, D]', [1, 4, HEADS]);
    const key = laidOut(random, '[T, H, D]', [1, 4, KV_HEADS]);
    const value = laidOut(random, '[T, H, D]', [1, 4, KV_HEADS]);
    const attentionMask = tf.tensor(
      [0, -1, 0.5, 2, Number.NEGATIVE_INFINITY, 0, 0, 0, 3, 3, 1, 1, 0, 2, 0, 9],
      [4, 4],
    );
    const masks = attentionMask.arraySync() as number[][];
    const tensors = { query: query.tensor, key: key.tensor, value: value.tensor };
    const output = layer.forward({ ...tensors, metadata: { isPrefill: true }, attentionMask });
    const mask = (_head: number, i: number, j: number): number => masks[i][j];
    expectMatches(output, expectedOutput('[T, H, D]', { query, key, value }, { mask }), query.tensor.shape);
  });

  test('passes its options on', () => {
    const options = {
      scale: 0.3,
      slidingWindow: 3,
      alibiSlopes: [0.5, 0.25, 0.1, 0.7, 0.05, 0.4],
      sinks: [0.3, -1, 0.5, 2, 0, 1],
    };
    const own = new PagedAttention({
      numHeads: HEADS,
      numKvHeads: KV_HEADS,
      headSize: HEAD_SIZE,
      ...options,
    });
    const random = new Random(5);
    const query = laidOut(random, '[T, H, D]', [1, 8, HEADS]);
    const key = laidOut(random, '[T, H, D]', [1, 8, KV_HEADS]);
    const value = laidOut(random, '[T, H, D]', [1, 8, KV_HEADS]);
    const tensors = { query: query.tensor, key: key.tensor, value: value.tensor };
    const expected = expectedOutput('[T, H, D]', { query, key, value }, options);
    expectMatches(own.forward({ ...tensors, metadata: { isPrefill: true } }), expected, query.tensor.shape);
    using cache = smallCache();
    const metadata = { ...oneSequence(8), isPrefill: true };
    expectMatches(own.forward({ ...tensors, ...cache.layer(0), metadata }), expected, query.tensor.shape);
  });

  test.each(
    LAYOUTS.flatMap((layout) => [
      [layout, 'float32', 'flash'] as const,
      [layout, 'bfloat16', 'vllm'] as const,
    ]),
  )('with a cache: prefill, then decode, of %s in %s, layout %s', (layout, storage, cacheLayout) => {
    const size = layout.startsWith('[B') ? 2 : 1;
    const length = 6;
    using cache = new PagedKVCache({
      numLayers: 1,
      numBlocks: 4,
      blockSize: 8,
      numKvHeads: KV_HEADS,
      headSize: HEAD_SIZE,
      storage,
      layout: cacheLayout,
    });
    const random = new Random(6);
    const query = laidOut(random, layout, [size, length, HEADS], storage);
    const key = laidOut(random, layout, [size, length, KV_HEADS], storage);
    const value = laidOut(random, layout, [size, length, KV_HEADS], storage);
    const blocks = [3, 1].slice(0, size);
    const metadata = {
      isPrefill: true,
      slotMapping: ints(blocks.flatMap((block) => Array.from({ length }, (_, i) => 8 * block + i))),
      blockTables: tf.tensor2d(blocks, [size, 1], 'int32'),
      contextLens: ints(blocks.map(() => length)),
    };
    const tensors = { query: query.tensor, key: key.tensor, value: value.tensor };
    const output = layer.forward({ ...tensors, ...cache.layer(0), metadata });
    expectMatches(output, expectedOutput(layout, { query, key, value }), query.tensor.shape, storage);

    const next = {
      query: laidOut(random, layout, [size, 1, HEADS], storage),
      key: laidOut(random, layout, [size, 1, KV_HEADS], storage),
      value: laidOut(random, layout, [size, 1, KV_HEADS], storage),
    };
    const decoded = layer.forward({
      query: next.query.tensor,
      key: next.key.tensor,
      value: next.value.tensor,
      ...cache.layer(0),
      metadata: {
        isPrefill: false,
        slotMapping: ints(blocks.map((block) => 8 * block + length)),
        blockTables: metadata.blockTables,
        contextLens: ints(blocks.map(() => length + 1)),
      },
    });
    const grown = { query: next.query, key: after(key, next.key), value: after(value, next.value) };
    expectMatches(decoded, expectedOutput(layout, grown), next.query.tensor.shape, storage);
  });

  test('leaks nothing, with and without a cache, when it throws too', () => {
    using cache = smallCache();
    const [query, key] = [tf.ones([1, HEADS, 4, HEAD_SIZE]), tf.ones([1, KV_HEADS, 4, HEAD_SIZE])];
    const metadata = { ...oneSequence(4), isPrefill: true };
    expectNoLeak(() => layer.forward({ query, key, value: key, metadata: { isPrefill: true } }));
    expectNoLeak(() => layer.forward({ query, key, value: key, metadata, ...cache.layer(0) }));
    const bad = { ...metadata, blockTables: tf.zeros<tf.Rank.R2>([2, 1], 'int32') };
    expectNoLeak(() => {
      expect(() => layer.forward({ query, key, value: key, metadata: bad, ...cache.layer(0) })).toThrow(
        'pagedAttention',
      );
      return [];
    });
  });

  test('takes no tokens', () => {
    const [query, key] = [tf.zeros([0, HEADS, HEAD_SIZE]), tf.zeros([0, KV_HEADS, HEAD_SIZE])];
    const output = layer.forward({ query, key, value: key, metadata: { isPrefill: false } });
    expect(output.shape).toEqual([0, HEADS, HEAD_SIZE]);
  });

  test.each<
    [
      string,
      AttentionErrorCode,
      Partial<PagedAttentionForward> | (() => Partial<PagedAttentionForward>),
      string,
    ]
  >([
    [
      'query',
      'ERR_SHAPE',
      () => ({ query: tf.zeros([4, 5, HEAD_SIZE]) }),
      'query: expected shape [T, 6, 16], [T, 96], [B, S, 96] or [B, 6, S, 16], received [4, 5, 16]',
    ],
    [
      'key',
      'ERR_SHAPE',
      () => ({ key: tf.zeros([4, KV_HEADS * HEAD_SIZE]) }),
      'key: expected shape [T, 2, 16] to match query, received [4, 32]',
    ],
    [
      'value',
      'ERR_SHAPE',
      () => ({ value: tf.zeros([3, KV_HEADS, HEAD_SIZE]) }),
      'value: expected shape [4, 2, 16] to match key, received [3, 2, 16]',
    ],
    [
      'missing value',
      'ERR_DTYPE',
      { value: undefined as unknown as tf.Tensor },
      'value: expected a Tensor, received undefined',
    ],
    [
      'missing metadata',
      'ERR_DTYPE',
      { metadata: undefined as unknown as InputMetadata },
      'metadata: expected an object, received undefined',
    ],
    [
      'an option beside the metadata',
      'ERR_UNSUPPORTED',
      () => ({ metadata: { ...oneSequence(4), isPrefill: true, softcap: 1 } as InputMetadata }),
      'metadata: expected only slotMapping, positions, contextLens, cuSeqlensQ, cuSeqlensK, blockTables, isPrefill, ' +
        'maxSeqlenQ, maxSeqlenK, maxContextLen, received "softcap"',
    ],
    [
      'missing slots',
      'ERR_DTYPE',
      () => ({ metadata: { ...oneSequence(4), isPrefill: true, slotMapping: undefined } }),
      'metadata.slotMapping: expected a Tensor, received undefined',
    ],
    [
      'missing tables',
      'ERR_DTYPE',
      () => ({ metadata: { ...oneSequence(4), isPrefill: true, blockTables: undefined } }),
      'metadata.blockTables: expected a Tensor, received undefined',
    ],
    [
      'missing lengths',
      'ERR_DTYPE',
      () => ({ metadata: { ...oneSequence(4), isPrefill: true, contextLens: undefined } }),
      'metadata.contextLens: expected a Tensor, received undefined',
    ],
    [
      'half a cache',
      'ERR_DTYPE',
      { valueCache: undefined },
      'valueCache: expected a Tensor, received undefined',
    ],
    [
      'mask with a cache',
      'ERR_UNSUPPORTED',
      () => ({ attentionMask: tf.zeros([4, 4]) }),
      'attentionMask: expected no mask with a cache, received float32 tensor of shape [4, 4]',
    ],
    [
      'lengths of prefill',
      'ERR_SHAPE',
      () => ({ metadata: { ...oneSequence(4), isPrefill: true, contextLens: ints([2, 2]) } }),
      'metadata.contextLens: expected shape [1]: one per sequence of query, received [2]',
    ],
    [
      'lengths of decode',
      'ERR_SHAPE',
      () => ({ metadata: { ...oneSequence(4), isPrefill: false } }),
      'metadata.contextLens: expected shape [4]: one per sequence of query, received [1]',
    ],
    [
      'cuSeqlensQ',
      'ERR_SHAPE',
      () => ({ metadata: { ...oneSequence(4), isPrefill: true, cuSeqlensQ: ints([]) } }),
      'metadata.cuSeqlensQ: expected shape [sequences + 1], received [0]',
    ],
    [
      'keys of another number',
      'ERR_SHAPE',
      () => ({ key: tf.zeros([3, KV_HEADS, HEAD_SIZE]), value: tf.zeros([3, KV_HEADS, HEAD_SIZE]) }),
      'key: expected shape [4, 2, 16]: one row per token of query, received [3, 2, 16]',
    ],
    [
      'long decode',
      'ERR_SHAPE',
      () => ({
        query: tf.zeros([2, 2, HEADS * HEAD_SIZE]),
        key: tf.zeros([2, 2, KV_HEADS * HEAD_SIZE]),
        value: tf.zeros([2, 2, KV_HEADS * HEAD_SIZE]),
        metadata: { ...oneSequence(4), isPrefill: false },
      }),
      'query: expected one token per sequence if metadata has neither isPrefill nor cuSeqlensQ, received [2, 2, 96]',
    ],
  ])('rejects a wrong call: %s', (_title, code, change, message) => {
    using cache = smallCache();
    const [query, key] = [tf.zeros([4, HEADS, HEAD_SIZE]), tf.ones([4, KV_HEADS, HEAD_SIZE])];
    const call = {
      query,
      key,
      value: key,
      ...cache.layer(0),
      metadata: { ...oneSequence(4), isPrefill: true },
    };
    const changed = { ...call, ...(typeof change === 'function' ? change() : change) };
    expectAttentionError(() => layer.forward(changed), code, `[PagedAttention] ${message}`);
    expect(tf.max(cache.layer(0).keyCache).dataSync()[0]).toBe(0); // nothing was written
  });

  test('rejects elements before it writes, on cpu', () => {
    if (backendName !== 'cpu') return; // a device does not wait for elements
    using cache = smallCache();
    const key = tf.ones([4, KV_HEADS, HEAD_SIZE]);
    const forward = (change: Partial<InputMetadata>) =>
      layer.forward({
        query: tf.zeros([4, HEADS, HEAD_SIZE]),
        key,
        value: key,
        ...cache.layer(0),
        metadata: { ...oneSequence(4), isPrefill: true, ...change },
      });
    const changes = [{ contextLens: ints([3]) }, { blockTables: tf.tensor2d([[7]], [1, 1], 'int32') }];
    for (const change of changes) {
      expectAttentionError(
        () => forward(change),
        'ERR_RANGE',
        /^\[pagedAttention\] (contextLens|blockTables)/,
      );
    }
    expect(tf.max(cache.layer(0).keyCache).dataSync()[0]).toBe(0);
    forward({});
    expect(tf.max(cache.layer(0).keyCache).dataSync()[0]).toBe(1);
  });

  test('rejects keys that leave open to which sequence they belong', () => {
    const rows = (length: number, heads: number): tf.Tensor => tf.zeros([length, heads, HEAD_SIZE]);
    const key = rows(6, KV_HEADS);
    const metadata = { isPrefill: true, cuSeqlensQ: ints([0, 2, 4]) };
    const unknown = 'expected as many tokens as query, or metadata.cuSeqlensK, received [6, 2, 16]';
    expectOpen({ query: rows(4, HEADS), key, value: key, metadata }, `key: ${unknown}`);
    const batch = tf.zeros([3, 2, KV_HEADS * HEAD_SIZE]);
    expectOpen(
      { query: tf.zeros([2, 3, HEADS * HEAD_SIZE]), key: batch, value: batch, metadata: { isPrefill: true } },
      'key: expected a batch of 2 to match query, received [3, 2, 32]',
    );
    const single = new PagedAttention({ numHeads: 1, headSize: HEAD_SIZE });
    const query = rows(5, 1);
    expectAttentionError(
      () => single.forward({ query, key: query, value: query, metadata: { isPrefill: true } }),
      'ERR_SHAPE',
      '[PagedAttention] query: expected metadata.cuSeqlensQ, because with one head this shape can be [T, H, D] or [B, S, H*D], ' +
        'received [5, 1, 16]',
    );
    const given = { isPrefill: true, cuSeqlensQ: ints([0, 5]) };
    expect(single.forward({ query, key: query, value: query, metadata: given }).shape).toEqual([
      5,
      1,
      HEAD_SIZE,
    ]);
  });

  test.each([
    [{ numHeads: 0, headSize: 16 }, 'numHeads: expected an integer >= 1, received 0'],
    [
      { numHeads: 6, headSize: 16, numKvHeads: 4 },
      'numHeads: expected a multiple of numKvHeads 4, received 6',
    ],
    [{ numHeads: 6, headSize: 0 }, 'headSize: expected an integer >= 1, received 0'],
    [{ numHeads: 6, headSize: 16, numKvHeads: -1 }, 'numKvHeads: expected an integer >= 1, received -1'],
  ])('rejects wrong sizes %o', (options, message) => {
    expectAttentionError(() => new PagedAttention(options), 'ERR_RANGE', `[PagedAttention] ${message}`);
  });

  test('rejects missing options and inputs, and options of other names', () => {
    expectAttentionError(
      () => new PagedAttention(undefined as unknown as PagedAttentionOptions),
      'ERR_DTYPE',
      '[PagedAttention] options: expected an object, received undefined',
    );
    expectAttentionError(
      () => layer.forward(undefined as unknown as PagedAttentionForward),
      'ERR_DTYPE',
      '[PagedAttention.forward] inputs: expected an object, received undefined',
    );
    for (const name of ['softCap', 'slidingWindow']) {
      expectAttentionError(
        () => layer.forward({ [name]: 1 } as unknown as PagedAttentionForward),
        'ERR_UNSUPPORTED',
        '[PagedAttention.forward] inputs: expected only query, key, value, keyCache, valueCache, metadata, softcap, ' +
          `attentionMask, received "${name}"`,
      );
    }
    expectAttentionError(
      () => new PagedAttention({ numHeads: 2, headSize: 8, window: 4 } as PagedAttentionOptions),
      'ERR_UNSUPPORTED',
      '[PagedAttention] options: expected only numHeads, headSize, scale, numKvHeads, slidingWindow, alibiSlopes, sinks, ' +
        'received "window"',
    );
  });
});
