import {
  ELEMENT_STORAGE_TYPES,
  mergeAttentionStates,
  pagedAttention,
  varlenAttention,
} from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, test } from '@jest/globals';
import { expectMatches } from '../../../core/src/testing/compare.ts';
import { makePagedCase, oracleOf } from '../../../core/src/testing/paged_case.ts';
import type { PagedCaseSpec } from '../../../core/src/testing/paged_case.ts';
import { Random } from '../../../core/src/testing/random.ts';
import { tensorOf } from '../../../core/src/testing/tensors.ts';
import { describeOnCuda, useSplits } from '../testing/cuda.ts';
import { expectAgreesWithOracle } from '../testing/paged_attention.ts';

afterEach(() => useSplits(0));

describeOnCuda('attention on cuda', () => {
  describe.each(ELEMENT_STORAGE_TYPES)('%s', (storage) => {
    test.each([8, 64, 72, 120, 128, 136, 192, 248, 256, 512])('head size %d', (headSize) => {
      for (const layout of ['flash', 'vllm'] as const) {
        const sequences = [
          { contextLength: 45, queryLength: 1 },
          { contextLength: 77, queryLength: 23 },
        ];
        const spec: PagedCaseSpec = {
          kvHeads: 1,
          heads: 4,
          headSize,
          blockSize: 16,
          sequences,
          storage,
          layout,
        };
        expectAgreesWithOracle(makePagedCase(new Random(headSize), spec));
      }
    });

    test.each([1, 3, 5, 6, 7, 8, 32])('groups of %d heads, prefill and decode mixed', (group) => {
      const sequences = [1, 9, 0, 1, 2, 40, 1].map((queryLength, i) => ({
        queryLength,
        contextLength: queryLength && queryLength + 17 * i,
      }));
      const spec: PagedCaseSpec = {
        kvHeads: 2,
        heads: 2 * group,
        headSize: 32,
        blockSize: 8,
        storage,
        sequences,
        paddingRows: 3,
      };
      const random = new Random(group);
      const alibiSlopes = [...random.normal(2 * group, 0.1)];
      expectAgreesWithOracle(makePagedCase(random, spec));
      expectAgreesWithOracle(makePagedCase(random, spec), { alibiSlopes, slidingWindow: 30, softcap: 20 });
    });

    test.each(['flash', 'vllm'] as const)('decode without cuSeqlensQ, layout %s', async (layout) => {
      for (const group of [1, 4, 20]) {
        for (const splits of [0, 3]) {
          await useSplits(splits);
          const sequences = [0, 1, 63, 64, 65, 300].map((contextLength) => ({
            contextLength,
            queryLength: 1,
          }));
          const paged = makePagedCase(new Random(9), {
            kvHeads: 2,
            heads: 2 * group,
            headSize: 64,
            blockSize: 32,
            storage,
            layout,
            sequences,
          });
          delete paged.metadata.cuSeqlensQ;
          const { query, keyCache, valueCache, metadata } = paged;
          const output = pagedAttention(query, keyCache, valueCache, metadata);
          expectMatches(output, oracleOf(paged).output, query.shape, storage);
        }
      }
    });

    test('contiguous keys, with and without a mask', async () => {
      for (const queryLength of [1, 2, 30]) {
        for (const splits of [0, 3]) {
          await useSplits(splits);
          const paged = makePagedCase(new Random(2), {
            kvHeads: 1,
            heads: 2,
            headSize: 40,
            blockSize: 16,
            storage,
            sequences: [{ contextLength: 150, queryLength }],
          });
          const [{ key, value }] = paged.sequences;
          const [keyTensor, valueTensor] = [key, value].map(
            (rows) => tensorOf(Float32Array.from(rows.flat(2)), [150, 1, 40], storage).tensor,
          );
          const lengths = {
            cuSeqlensQ: tf.tensor1d([0, queryLength], 'int32'),
            cuSeqlensK: tf.tensor1d([0, 150], 'int32'),
          };
          const attentionMask = tf.randomNormal([2, queryLength, 150], 0, 1, 'float32', 7);
          const mask = attentionMask.arraySync() as number[][][];
          const { query } = paged;
          expectMatches(
            varlenAttention(query, keyTensor, valueTensor, lengths),
            oracleOf(paged).output,
            query.shape,
            storage,
          );
          expectMatches(
            varlenAttention(query, keyTensor, valueTensor, lengths, { attentionMask }),
            oracleOf(paged, { mask: (head, row, j) => mask[head][row][j] }).output,
            query.shape,
            storage,
          );
        }
      }
    });

    test('the same bits at every call', () => {
      const sequences = [1, 1, 1, 40].map((queryLength, i) => ({
        queryLength,
        contextLength: 300 * (i + 1),
      }));
      const { query, keyCache, valueCache, metadata } = makePagedCase(new Random(10), {
        kvHeads: 1,
        heads: 4,
        headSize: 64,
        blockSize: 16,
        storage,
        sequences,
      });
      const [first, second] = [0, 1].map(() =>
        pagedAttention(query, keyCache, valueCache, metadata).dataSync(),
      );
      expect(second).toEqual(first);
    });

    test('a block table without columns', () => {
      const paged = makePagedCase(new Random(11), {
        kvHeads: 1,
        heads: 2,
        headSize: 32,
        blockSize: 16,
        storage,
        extraColumns: 0,
        sequences: [
          { queryLength: 1, contextLength: 0 },
          { queryLength: 20, contextLength: 0 },
        ],
      });
      expectAgreesWithOracle(paged);
    });
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
