import { pagedAttention, pagedAttentionWithLse } from '@attention-js/core';
import type { ElementStorage } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test } from '@jest/globals';
import { TOLERANCE, relativeError } from '../../../core/src/testing/compare.ts';
import { makePagedCase, oracleOf } from '../../../core/src/testing/paged_case.ts';
import type { PagedCaseSpec } from '../../../core/src/testing/paged_case.ts';
import { Random } from '../../../core/src/testing/random.ts';
import { tensorOf } from '../../../core/src/testing/tensors.ts';
import { describeOnCuda, useSplits } from '../testing/cuda.ts';
import { expectAgreesWithOracle } from '../testing/paged_attention.ts';

/** A kernel of the backend, and the query length and group that select it. */
interface Kernel {
  kernel: string;
  heads: number;
  queryLength: number;
  storage: ElementStorage;
  headSize?: number;
  /** Splits start at multiples of this. */
  keysPerTile: number;
}

const KERNELS: readonly Kernel[] = [
  { kernel: 'scalar, 4 rows', heads: 3, queryLength: 1, storage: 'float32', keysPerTile: 128 },
  { kernel: 'scalar, 16 rows', heads: 5, queryLength: 3, storage: 'float32', keysPerTile: 64 },
  { kernel: 'scalar, 64 rows', heads: 4, queryLength: 17, storage: 'float32', keysPerTile: 32 },
  {
    kernel: 'scalar, long heads',
    heads: 5,
    queryLength: 4,
    headSize: 136,
    storage: 'float32',
    keysPerTile: 64,
  },
  { kernel: 'decode', heads: 4, queryLength: 1, storage: 'bfloat16', keysPerTile: 64 },
  { kernel: 'decode, 3 tokens', heads: 5, queryLength: 3, storage: 'float16', keysPerTile: 64 },
  { kernel: 'decode, 2 tiles', heads: 17, queryLength: 1, storage: 'float16', keysPerTile: 64 },
  { kernel: 'prefill', heads: 3, queryLength: 11, storage: 'float16', keysPerTile: 64 },
  { kernel: 'prefill, 3 tiles', heads: 4, queryLength: 70, storage: 'bfloat16', keysPerTile: 64 },
];

afterEach(() => useSplits(0));

function specOf({ heads, headSize = 32, storage }: Kernel): Omit<PagedCaseSpec, 'sequences'> {
  return { kvHeads: 1, heads, headSize, blockSize: 16, storage };
}

describeOnCuda('borders of attention kernels on cuda', () => {
  for (const kernel of KERNELS) {
    const { heads, queryLength, keysPerTile } = kernel;

    test.each([1, 2, 3, 5, 50])(`${kernel.kernel}: %d splits at their borders`, async (splits) => {
      await useSplits(splits);
      const wholeTiles = Math.min(splits, 5) * keysPerTile;
      const lengths = [1, keysPerTile, wholeTiles].flatMap((length) =>
        [length - 1, length, length + 1].filter((contextLength) => contextLength >= queryLength),
      );
      const sequences = lengths.map((contextLength) => ({ contextLength, queryLength }));
      const spec: PagedCaseSpec = { ...specOf(kernel), sequences, paddingRows: 2 };
      const slopes = Array.from({ length: heads }, (_, head) => 2 ** -head);
      for (const options of [{}, { slidingWindow: 40, softcap: 4, alibiSlopes: slopes, sinks: slopes }]) {
        expectAgreesWithOracle(makePagedCase(new Random(splits), spec), options);
      }
    });

    test(`${kernel.kernel}: options that leave few keys, and many splits`, async () => {
      await useSplits(7);
      const sequences = [queryLength, 200, 257].map((contextLength) => ({ contextLength, queryLength }));
      const sinks = Array.from({ length: heads }, (_, head) => head - 1);
      for (const options of [{ slidingWindow: 1, sinks }, { causal: false }, { slidingWindow: 2 ** 31 }]) {
        expectAgreesWithOracle(makePagedCase(new Random(8), { ...specOf(kernel), sequences }), options);
      }
    });

    test(`${kernel.kernel}: rows that need a bad block are NaN, and no others`, async () => {
      const contextLength = 90 + queryLength;
      for (const splits of [1, 2]) {
        await useSplits(splits);
        for (const bad of [-1, 1_000_000, -(2 ** 31)]) {
          const sequences = [40 + queryLength, contextLength].map((length) => ({
            contextLength: length,
            queryLength,
          }));
          const paged = makePagedCase(new Random(3), { ...specOf(kernel), sequences });
          const expected = oracleOf(paged).output;
          const table = paged.metadata.blockTables.dataSync<'int32'>().slice();
          const [, columns] = paged.metadata.blockTables.shape;
          const column = Math.floor((contextLength - 1) / 16); // the block of the newest keys
          table[columns + column] = bad;
          const blockTables = tf.tensor2d(table, [2, columns], 'int32');
          const { query, keyCache, valueCache } = paged;
          const { output, lse } = pagedAttentionWithLse(query, keyCache, valueCache, {
            ...paged.metadata,
            blockTables,
          });
          const firstBadRow = queryLength + Math.max(0, column * 16 - (contextLength - queryLength));
          const values = output.dataSync();
          const good = firstBadRow * heads * paged.spec.headSize;
          expect(relativeError(values.slice(0, good), expected.slice(0, good))).toBeLessThanOrEqual(
            TOLERANCE[kernel.storage],
          );
          expect(values.slice(good).every(Number.isNaN)).toBe(true);
          expect(
            lse
              .dataSync()
              .slice(firstBadRow * heads)
              .every(Number.isNaN),
          ).toBe(true);
        }
      }
    });

    test(`${kernel.kernel}: a context longer than its table gives NaN`, async () => {
      const contextLength = Math.ceil(queryLength / 16) * 16 + 64;
      const sequences = [40 + queryLength, contextLength].map((length) => ({
        contextLength: length,
        queryLength,
      }));
      for (const splits of [0, 3]) {
        await useSplits(splits);
        const paged = makePagedCase(new Random(4), { ...specOf(kernel), sequences, extraColumns: 0 });
        const { query, keyCache, valueCache, metadata } = paged;
        for (const options of [{}, { slidingWindow: 3 }]) {
          for (const length of [contextLength + queryLength, 2 ** 31 - 1]) {
            const contextLens = tf.tensor1d([40 + queryLength, length], 'int32');
            const output = pagedAttention(
              query,
              keyCache,
              valueCache,
              { ...metadata, contextLens },
              options,
            ).dataSync();
            const half = output.length / 2;
            const expected = oracleOf(paged, options).output.slice(0, half);
            expect(relativeError(output.slice(0, half), expected)).toBeLessThanOrEqual(
              TOLERANCE[kernel.storage],
            );
            expect(output.slice(half).every(Number.isNaN)).toBe(true);
          }
        }
      }
    });

    test(`${kernel.kernel}: a query row of NaN does not affect other rows`, () => {
      const { headSize = 32, storage } = kernel;
      const sequences = [{ contextLength: 20 + queryLength, queryLength }];
      const paged = makePagedCase(new Random(5), { ...specOf(kernel), sequences });
      const { keyCache, valueCache, metadata } = paged;
      const rows = paged.query.dataSync<'float32'>().slice();
      rows.fill(Number.NaN, rows.length - headSize);
      const query = tensorOf(rows, paged.query.shape, storage).tensor;
      const output = pagedAttention(query, keyCache, valueCache, metadata).dataSync();
      const good = output.length - headSize;
      const expected = oracleOf(paged).output.slice(0, good);
      expect(relativeError(output.slice(0, good), expected)).toBeLessThanOrEqual(TOLERANCE[storage]);
      expect(output.slice(good).every(Number.isNaN)).toBe(true);
    });

    test(`${kernel.kernel}: lengths that differ from the hints`, () => {
      const sequences = [1, 0, 3 * queryLength, 0, 1, 2 * queryLength, 1].map((length, i) => ({
        queryLength: length,
        contextLength: length + 9 * i,
      }));
      const paged = makePagedCase(new Random(6), { ...specOf(kernel), sequences, paddingRows: 5 });
      expectAgreesWithOracle(paged);
      for (const hint of [queryLength, 1, 1_000_000]) {
        paged.metadata.maxSeqlenQ = hint;
        paged.metadata.maxContextLen = hint;
        expectAgreesWithOracle(paged);
      }
    });
  }
});
