import { ELEMENT_STORAGE_TYPES, pagedAttentionWithLse, varlenAttention } from '@attention-js/core';
import type { ElementStorage } from '@attention-js/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test } from '@jest/globals';
import { attentionOracle } from '../../../core/src/testing/attention_oracle.ts';
import type { OracleOptions } from '../../../core/src/testing/attention_oracle.ts';
import { expectMatches, relativeError } from '../../../core/src/testing/compare.ts';
import { makePagedCase, oracleOf } from '../../../core/src/testing/paged_case.ts';
import type { PagedCase, PagedCaseSpec } from '../../../core/src/testing/paged_case.ts';
import { Random } from '../../../core/src/testing/random.ts';
import { tensorOf } from '../../../core/src/testing/tensors.ts';
import { describeOnCuda, hasGpu, useSplits } from '../testing/cuda.ts';

const CASES = Number(process.env.ATTENTION_FUZZ_CASES ?? (hasGpu ? 2000 : 60));
const GROUPS = 20;
const LSE_TOLERANCE = { float32: 2e-6, float16: 2e-5, bfloat16: 2e-5 };

afterEach(() => useSplits(0));

function drawSequences(random: Random, isDecode: boolean): PagedCaseSpec['sequences'] {
  return Array.from({ length: random.integer(0, 5) }, () => {
    const queryLength = isDecode ? 1 : random.pick([0, 1, 1, 2, 5, 16, random.integer(1, 80)]);
    const earlier = random.pick([0, 1, 31, 32, 63, 64, 65, 128, random.integer(0, 300)]);
    return { queryLength, contextLength: random.integer(0, 9) === 0 ? 0 : queryLength + earlier };
  });
}

function drawSpec(random: Random, storage: ElementStorage, isDecode: boolean): PagedCaseSpec {
  const layout = random.pick(['flash', 'vllm'] as const);
  const kvHeads = random.integer(1, 3);
  return {
    sequences: drawSequences(random, isDecode),
    heads: kvHeads * random.pick([1, 1, 2, 3, 4, 5, 6, 7, 8, 17]),
    kvHeads,
    headSize: random.pick([8, 32, 64, 64, 72, 80, 96, 112, 128, 160, 192, 256, 512]),
    blockSize: random.pick(layout === 'vllm' ? [8, 16, 32, 64] : [8, 16, 32, 64, 128, 256]),
    layout,
    storage,
    paddingRows: isDecode ? 0 : random.pick([0, 0, 1, 40]),
    extraColumns: random.integer(0, 3),
    magnitude: random.pick([0.5, 1, 1.5]),
  };
}

function drawOptions(random: Random, heads: number): OracleOptions {
  const sometimes = <T>(draw: () => T): T | undefined => (random.integer(0, 2) === 0 ? draw() : undefined);
  return {
    scale: sometimes(() => 0.2 * random.uniform()),
    causal: random.integer(0, 3) > 0,
    softcap: sometimes(() => random.pick([0, 1, 30])),
    slidingWindow: sometimes(() => random.pick([1, 16, random.integer(1, 200), 2 ** 31])),
    alibiSlopes: sometimes(() => [...random.normal(heads, 0.1)]),
    sinks: sometimes(() => [...random.normal(heads)]),
  };
}

function expectPagedAgrees(random: Random, paged: PagedCase, isDecode: boolean): void {
  const { spec, query, keyCache, valueCache, metadata } = paged;
  const { storage = 'float32' } = spec;
  const options = drawOptions(random, spec.heads);
  if (isDecode) delete metadata.cuSeqlensQ;
  if (random.integer(0, 1)) metadata.maxSeqlenQ = random.pick([1, 16, 80]);
  if (random.integer(0, 1)) metadata.maxContextLen = random.pick([1, 100, 10_000]);
  const { output, lse } = pagedAttentionWithLse(query, keyCache, valueCache, metadata, options);
  const expected = oracleOf(paged, options);
  expectMatches(output, expected.output, query.shape, storage);
  const [actualLse, expectedLse] = [lse.dataSync(), expected.lse].map((values) =>
    Array.from(values, (value) => value + 30),
  );
  expect(relativeError(actualLse, expectedLse)).toBeLessThanOrEqual(LSE_TOLERANCE[storage]);
}

/** The case's keys and values as contiguous rows, with a mask half of the time. */
function expectContiguousAgrees(random: Random, paged: PagedCase): void {
  const { spec, query, sequences, metadata } = paged;
  const { heads, kvHeads, headSize, storage = 'float32' } = spec;
  const options = drawOptions(random, heads);
  const starts = [0];
  for (const { contextLength } of spec.sequences) starts.push(starts[starts.length - 1] + contextLength);
  const keys = starts[starts.length - 1];
  const [key, value] = (['key', 'value'] as const).map(
    (name) =>
      tensorOf(
        Float32Array.from(sequences.flatMap((sequence) => sequence[name].flat(2))),
        [keys, kvHeads, headSize],
        storage,
      ).tensor,
  );
  const full = [heads, query.shape[0], keys];
  const shape = full.map((size) => random.pick([1, size]));
  const hides = random.integer(0, 1) ? 0.3 : 0;
  const mask = random
    .normal(shape.reduce((product, size) => product * size, 1))
    .map((number) => (random.uniform() < hides ? Number.NEGATIVE_INFINITY : number));
  const attentionMask = random.integer(0, 1)
    ? tf.tensor3d(mask, shape as [number, number, number])
    : undefined;
  const lengths = {
    cuSeqlensQ: metadata.cuSeqlensQ!,
    cuSeqlensK: tf.tensor1d(starts, 'int32'),
    maxSeqlenQ: random.pick([undefined, 1, 16, 80]),
  };
  const output = varlenAttention(query, key, value, lengths, { ...options, attentionMask });

  const at = (indices: number[]): number =>
    mask[indices.reduce((index, i, axis) => index * shape[axis] + (shape[axis] === 1 ? 0 : i), 0)];
  let firstRow = 0;
  const expected = sequences.flatMap((sequence, i) => {
    const row = firstRow;
    firstRow += sequence.query.length;
    const added = (head: number, q: number, j: number): number => at([head, row + q, starts[i] + j]);
    return attentionOracle(sequence, { ...options, mask: attentionMask && added }).output.flat(2);
  });
  while (expected.length < query.size) expected.push(0);
  expectMatches(output, expected, query.shape, storage);
}

/** Tests one case, and draws the splits of the next; 0: launchers decide. */
function expectCaseAgrees(seed: number): number {
  const random = new Random(seed);
  const isContiguous = random.integer(0, 4) === 0;
  const isDecode = !isContiguous && random.integer(0, 2) === 0;
  const paged = makePagedCase(random, drawSpec(random, random.pick(ELEMENT_STORAGE_TYPES), isDecode));
  const splits = random.pick([0, 0, 0, 1, 2, 3, 7, 40]);
  try {
    if (isContiguous) expectContiguousAgrees(random, paged);
    else expectPagedAgrees(random, paged, isDecode);
  } catch (error) {
    throw new Error(`seed ${seed}: ${JSON.stringify(paged.spec)}`, { cause: error });
  }
  return splits;
}

describeOnCuda(`${CASES} random cases of attention on cuda`, () => {
  test.each(Array.from({ length: GROUPS }, (_, group) => group))('part %d', async (group) => {
    let splits = 0;
    for (let seed = group; seed < CASES; seed += GROUPS) {
      await useSplits(splits);
      splits = tf.tidy(() => expectCaseAgrees(seed));
    }
  });
});
