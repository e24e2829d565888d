import * as tf from '@attention-js/core/tf';
import { expect, test } from '@jest/globals';
import { getKernelsForBackend } from '@tensorflow/tfjs-core';
import * as tfjs from '@tensorflow/tfjs-core';
import { alive, cuda, describeOnCuda } from './testing/cuda.ts';

const ones = (...shape: number[]) => tf.castStorage(tf.ones(shape), 'bfloat16');
const ints = (values: number[], shape = [values.length]) => tf.tensor(values, shape, 'int32');

const [tokens, heads, kvHeads, headSize, blockSize, experts] = [3, 4, 2, 32, 8, 4];
const query = () => ones(tokens, heads, headSize);
const rows = () => ones(tokens, kvHeads, headSize);
const cache = (memory: 'device' | 'host' = 'device') =>
  tf.zerosWithStorage([4, blockSize, kvHeads, headSize], 'bfloat16', { memory });
const pairs = Int32Array.of(0, 2, 1, 3);
const paged = () => ({
  blockTables: ints([0, 1], [1, 2]) as tf.Tensor2D,
  contextLens: ints([9]),
  cuSeqlensQ: ints([0, tokens]),
});
const ids = () => ints([0, 1, 1, 3, 2, 0], [tokens, 2]);
const options = { sinks: [0, 1, 2, 3], alibiSlopes: [1, 2, 3, 4] };

/** A call of every op of core, by kernel name. */
const calls: Record<string, () => unknown> = {
  AssignStorage: () => tf.assignStorage(ones(8), tf.castStorage(tf.zeros([8]), 'bfloat16')),
  CastStorage: () => tf.castStorage(ones(100), 'float32'),
  CopyBlocks: () => tf.copyBlocks([cache()], [cache()], pairs),
  FusedMoe: () =>
    tf.fusedMoe(ones(tokens, 16), ones(experts, 16, 16), ones(experts, 16, 8), tf.ones([tokens, 2]), ids()),
  GeluAndMul: () => tf.geluAndMul(ones(tokens, 16)),
  Linear: () => tf.linear(ones(tokens, 16), ones(8, 16), ones(8)),
  MergeAttentionStates: () =>
    tf.mergeAttentionStates(ones(2, tokens, heads, headSize), tf.ones([2, tokens, heads])),
  MoeGemm: () => {
    const { sortedTokenIds, expertIds } = tf.sortTokensByExpert(ids(), experts);
    tf.moeGemm(ones(tokens, 16), ones(experts, 8, 16), sortedTokenIds, expertIds, {
      topk: 2,
      input: 'tokens',
    });
  },
  PagedAttention: () => {
    tf.pagedAttention(query(), cache(), cache(), paged(), options);
    tf.pagedAttentionWithLse(query(), cache(), cache(), paged());
  },
  ReshapeAndCache: () => tf.reshapeAndCache(rows(), rows(), cache(), cache(), ints([0, -1, 9])),
  RmsNorm: () => tf.rmsNorm(ones(tokens, 16), ones(16), { epsilon: 1e-5, residual: ones(tokens, 16) }),
  RotaryEmbedding: () =>
    tf.rotaryEmbedding(
      query(),
      rows(),
      ints([0, 1, 2]),
      tf.ones([8, headSize / 2]),
      tf.ones([8, headSize / 2]),
    ),
  SampleTokens: () => tf.sampleTokens(ones(tokens, 50), { seeds: 1, positions: [0, 1, 2], temperature: 1 }),
  SiluAndMul: () => tf.siluAndMul(ones(tokens, 16)),
  SortTokensByExpert: () => tf.sortTokensByExpert(ids(), experts),
  SwapBlocks: () => tf.swapBlocks(cache(), cache('host'), pairs),
  TopkSoftmax: () => tf.topkSoftmax(tf.ones([tokens, experts]), 2),
  VarlenAttention: () =>
    tf.varlenAttention(
      query(),
      rows(),
      rows(),
      { cuSeqlensQ: ints([0, tokens]), cuSeqlensK: ints([0, tokens]) },
      { ...options, attentionMask: tf.zeros([tokens, tokens]) },
    ),
};

describeOnCuda('nothing leaks', () => {
  test('of any op of core: this suite calls each', () => {
    const own = getKernelsForBackend('cuda')
      .map(({ kernelName }) => kernelName)
      .filter((name) => !(name in tfjs));
    expect(Object.keys(calls).toSorted()).toEqual(own.toSorted());
  });

  test.each(Object.entries(calls))('of %s, over many calls', (_, call) => {
    const before = alive();
    const times = cuda().isEmulated ? 20 : 2000;
    for (let i = 0; i < times; i++) tf.tidy(() => void call());
    expect(alive()).toEqual(before);
  });

  test('of reads in progress, once they complete', async () => {
    const before = alive();
    const x = tf.tidy(() => tf.ones([10_000]).add(1));
    const reads = Array.from({ length: 100 }, () => x.data());
    x.dispose();
    await Promise.all(reads);
    await Promise.resolve();
    expect(alive()).toEqual(before);
  });
});
