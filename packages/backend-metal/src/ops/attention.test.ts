import {
  ELEMENT_STORAGE_TYPES,
  cacheLayout,
  mergeAttentionStates,
  pagedAttention,
  pagedAttentionWithLse,
  reshapeAndCache,
  varlenAttention,
} from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { OracleOptions } from '../../../core/src/testing/attention_oracle.ts';
import { expectMatches, relativeError } from '../../../core/src/testing/compare.ts';
import { makePagedCase, oracleOf } from '../../../core/src/testing/paged_case.ts';
import type { PagedCase, PagedCaseSpec } from '../../../core/src/testing/paged_case.ts';
import { Random } from '../../../core/src/testing/random.ts';
import { randomTensor } from '../../../core/src/testing/tensors.ts';
import { describeOnMetal, metal, useSplits } from '../testing/metal.ts';

const KEYS_PER_TILE = 32; // splits start at multiples of this
const SMALL = { kvHeads: 1, headSize: 32, blockSize: 16 };

/** Kernels, with the heads and query length that select each. */
const KERNELS = [
  { kernel: 'vector, a row', heads: 1, queryLength: 1 },
  { kernel: 'vector, 3 rows', heads: 3, queryLength: 1 },
  { kernel: 'vector, short queries', heads: 1, queryLength: 3 },
  { kernel: 'matrix of 8 rows', heads: 5, queryLength: 1 },
  { kernel: 'matrix of 16 rows', heads: 4, queryLength: 4 },
  { kernel: 'matrix of 32 rows, two tiles', heads: 4, queryLength: 11 },
] as const;

afterEach(() => useSplits(0));

function expectAgreesWithOracle(paged: PagedCase, options: OracleOptions = {}): void {
  const { query, keyCache, valueCache, metadata } = paged;
  const { output, lse } = pagedAttentionWithLse(query, keyCache, valueCache, metadata, options);
  const reference = oracleOf(paged, options);
  expectMatches(output, reference.output, query.shape, paged.spec.storage);
  expect(
    relativeError(
      lse.dataSync().map((value) => value + 100),
      reference.lse.map((value) => value + 100),
    ),
  ).toBeLessThanOrEqual(1e-6);
}

describeOnMetal('attention kernels on metal', () => {
  for (const { kernel, heads, queryLength } of KERNELS) {
    test.each([1, 2, 3, 4, 5, 8])(`${kernel}: %d splits at their borders`, async (splits) => {
      await useSplits(splits);
      const lengths = [1, splits * KEYS_PER_TILE, 2 * splits * KEYS_PER_TILE].flatMap((length) =>
        [length - 1, length, length + 1].filter((contextLength) => contextLength >= queryLength),
      );
      const sequences = lengths.map((contextLength) => ({ contextLength, queryLength }));
      const spec: PagedCaseSpec = { ...SMALL, heads, sequences, paddingRows: 2 };
      const slopes = Array.from({ length: heads }, (_, head) => 2 ** -head);
      for (const options of [
        {},
        { slidingWindow: 40, sinks: slopes },
        { slidingWindow: 1, softcap: 4, alibiSlopes: slopes, sinks: slopes },
      ]) {
        expectAgreesWithOracle(makePagedCase(new Random(splits), spec), options);
      }
    });
  }

  describe.each(ELEMENT_STORAGE_TYPES)('%s', (storage) => {
    test.each([8, 120, 136, 248, 256, 512])('head size %d, in every kernel that supports it', (headSize) => {
      for (const layout of ['flash', 'vllm'] as const) {
        for (const { heads, queryLength } of KERNELS) {
          const sequences = [45, 77].map((contextLength) => ({ contextLength, queryLength }));
          const spec: PagedCaseSpec = { ...SMALL, heads, headSize, sequences, storage, layout };
          expectAgreesWithOracle(makePagedCase(new Random(headSize), spec));
        }
      }
    });
  });

  test.each(['float16', 'bfloat16'] as const)('splits of a %s cache in layout vllm', async (storage) => {
    await useSplits(3);
    const sequences = [95, 96, 97].map((contextLength) => ({ contextLength, queryLength: 1 }));
    const spec: PagedCaseSpec = { ...SMALL, heads: 4, sequences, layout: 'vllm', storage };
    expectAgreesWithOracle(makePagedCase(new Random(1), spec), { sinks: [1, 2, 3, 4] });
  });

  test('splits of contiguous keys', async () => {
    await useSplits(3);
    const paged = makePagedCase(new Random(2), {
      ...SMALL,
      heads: 2,
      sequences: [{ contextLength: 100, queryLength: 2 }],
    });
    const [{ key, value }] = paged.sequences;
    const lengths = { cuSeqlensQ: tf.tensor1d([0, 2], 'int32'), cuSeqlensK: tf.tensor1d([0, 100], 'int32') };
    const attentionMask = tf.randomUniform([2, 2, 100]);
    const mask = attentionMask.arraySync() as number[][][];
    const output = varlenAttention(paged.query, tf.tensor3d(key), tf.tensor3d(value), lengths, {
      attentionMask,
    });
    const expected = oracleOf(paged, { mask: (head, row, j) => mask[head][row][j] });
    expectMatches(output, expected.output, paged.query.shape);
  });

  test.each(KERNELS)(
    '$kernel: rows that need a bad block are NaN, and no others',
    async ({ heads, queryLength }) => {
      for (const splits of [1, 2]) {
        await useSplits(splits);
        for (const bad of [-1, 1_000_000, -(2 ** 31)]) {
          const sequences = [40, 90].map((contextLength) => ({ contextLength, queryLength }));
          const paged = makePagedCase(new Random(3), { ...SMALL, heads, sequences });
          const expected = oracleOf(paged).output;
          const table = paged.metadata.blockTables.dataSync().slice();
          const [, columns] = paged.metadata.blockTables.shape as [number, number];
          table[columns + 5] = bad; // keys 80 to 89 of the second sequence
          const blockTables = tf.tensor2d(table as Int32Array, [2, columns], 'int32');
          const { query, keyCache, valueCache } = paged;
          const { output, lse } = pagedAttentionWithLse(query, keyCache, valueCache, {
            ...paged.metadata,
            blockTables,
          });
          const rowLength = heads * SMALL.headSize;
          const firstBadRow = queryLength + Math.max(0, 80 - (90 - queryLength));
          const values = output.dataSync();
          const good = firstBadRow * rowLength;
          expect(relativeError(values.slice(0, good), expected.slice(0, good))).toBeLessThanOrEqual(1e-5);
          expect(values.slice(good).every(Number.isNaN)).toBe(true);
          expect(
            lse
              .dataSync()
              .slice(firstBadRow * heads)
              .every(Number.isNaN),
          ).toBe(true);
        }
      }
    },
  );

  test.each(KERNELS)('$kernel: a context longer than its table gives NaN', ({ heads, queryLength }) => {
    const paged = makePagedCase(new Random(4), {
      ...SMALL,
      heads,
      sequences: [
        { contextLength: 40, queryLength },
        { contextLength: 64, queryLength },
      ],
      extraColumns: 0,
    });
    const { query, keyCache, valueCache, metadata } = paged;
    for (const options of [{}, { slidingWindow: 3 }]) {
      for (const length of [64 + queryLength, 2 ** 31 - 1]) {
        const contextLens = tf.tensor1d([40, length], 'int32');
        const output = pagedAttention(
          query,
          keyCache,
          valueCache,
          { ...metadata, contextLens },
          options,
        ).dataSync();
        const half = output.length / 2;
        const expected = oracleOf(paged, options).output.slice(0, half);
        expect(relativeError(output.slice(0, half), expected)).toBeLessThanOrEqual(1e-5);
        expect(output.slice(half).every(Number.isNaN)).toBe(true);
      }
    }
  });

  test.each(KERNELS)('$kernel: a query row of NaN does not affect other rows', ({ heads, queryLength }) => {
    const sequences = [{ contextLength: 70, queryLength }];
    const paged = makePagedCase(new Random(5), { ...SMALL, heads, sequences });
    const { keyCache, valueCache, metadata } = paged;
    const rows = paged.query.arraySync() as number[][][];
    rows[queryLength - 1][heads - 1].fill(Number.NaN);
    const output = pagedAttention(tf.tensor3d(rows), keyCache, valueCache, metadata).dataSync();
    const good = output.length - SMALL.headSize;
    expect(relativeError(output.slice(0, good), oracleOf(paged).output.slice(0, good))).toBeLessThanOrEqual(
      1e-5,
    );
    expect(output.slice(good).every(Number.isNaN)).toBe(true);
  });

  test.each(KERNELS)(
    '$kernel: lengths other than those the grid was chosen for',
    ({ heads, queryLength }) => {
      const sequences = [1, 0, 3 * queryLength, 0, 1, 2 * queryLength].map((length, i) => ({
        queryLength: length,
        contextLength: length + 9 * i,
      }));
      const paged = makePagedCase(new Random(6), { ...SMALL, heads, sequences, paddingRows: 5 });
      expectAgreesWithOracle(paged);
      paged.metadata.maxSeqlenQ = queryLength;
      expectAgreesWithOracle(paged);
    },
  );

  test.each([0, 1, 9, 2 ** 31, Number.MAX_SAFE_INTEGER])('hints of %d leave no row unwritten', (hint) => {
    for (const queryLength of [1, 10]) {
      const sequences = [20, 70].map((contextLength) => ({ contextLength, queryLength }));
      const paged = makePagedCase(new Random(8), { ...SMALL, heads: 2, sequences, paddingRows: 3 });
      paged.metadata.maxSeqlenQ = hint;
      paged.metadata.maxContextLen = hint;
      expectAgreesWithOracle(paged);
    }
  });

  test.each(['flash', 'vllm'] as const)('a block beyond 2^31 elements, layout %s', (layout) => {
    const [kvHeads, headSize] = [4, 512];
    const shapes = {
      flash: [0, 1].map(() => [4098, 256, kvHeads, headSize]),
      vllm: [
        [16386, kvHeads, headSize / 8, 64, 8],
        [16386, kvHeads, headSize, 64],
      ],
    };
    // Uninitialized, so that only the touched part takes physical memory.
    const [keyCache, valueCache] = shapes[layout].map((shape) =>
      tf
        .engine()
        .makeTensorFromTensorInfo(metal().makeOutput({ shape, dtype: 'float32', storage: 'bfloat16' })),
    );
    const { numBlocks, blockSize } = cacheLayout(keyCache, valueCache);
    const random = new Random(7);
    const { tensor: row, values } = randomTensor(random, [1, kvHeads, headSize], 'bfloat16');
    const slots = tf.tensor1d([(numBlocks - 1) * blockSize], 'int32');
    reshapeAndCache(row, row, keyCache, valueCache, slots);
    const metadata = {
      blockTables: tf.tensor2d([[numBlocks - 1]], [1, 1], 'int32'),
      contextLens: tf.tensor1d([1], 'int32'),
    };
    for (const group of [1, 4]) {
      const query = randomTensor(random, [1, kvHeads * group, headSize], 'bfloat16').tensor as tf.Tensor3D;
      const output = pagedAttention(query, keyCache, valueCache, metadata);
      const expected = tf.tile(tf.tensor(values, [kvHeads, 1, headSize]), [1, group, 1]); // the only key has weight 1
      expect(output.dataSync()).toEqual(expected.dataSync());
    }
  });

  test('parts with a NaN log-sum-exp merge to NaN', () => {
    const { output, lse } = mergeAttentionStates(
      tf.ones([2, 1, 2, 8]),
      tf.tensor3d([Number.NaN, 0, 0, 0], [2, 1, 2]),
    );
    expect([...output.dataSync()]).toEqual([...Array(8).fill(Number.NaN), ...Array(8).fill(1)]);
    expect(lse.dataSync()[0]).toBeNaN();
  });
});
