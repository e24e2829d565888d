import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import { AttentionError } from '../errors.ts';
import { roundArrayToStorage } from '../storage/half_precision.ts';
import { encodeStorageBytes } from '../storage/storage_bytes.ts';
import { tensorFromStorage } from '../storage/storage_functions.ts';
import { ELEMENT_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { ElementStorage } from '../storage/storage_types.ts';
import { attentionOracle } from '../testing/attention_oracle.ts';
import { describeOnBackends } from '../testing/backends.ts';
import { cacheIndex, cacheShapes } from '../testing/cache_index.ts';
import { TOLERANCE, relativeError } from '../testing/compare.ts';
import { makePagedCase } from '../testing/paged_case.ts';
import type { PagedCase, PagedCaseSpec } from '../testing/paged_case.ts';
import { Random } from '../testing/random.ts';
import { randomTensor, tensorOf } from '../testing/tensors.ts';
import { fusedMoe } from './fused_moe.ts';
import { moeGemm } from './moe_gemm.ts';
import { pagedAttentionWithLse } from './paged_attention.ts';
import { reshapeAndCache } from './reshape_and_cache.ts';
import { rotaryEmbedding } from './rotary_embedding.ts';
import { sortTokensByExpert } from './sort_tokens_by_expert.ts';
import { varlenAttention } from './varlen_attention.ts';

// What devices read to find rows, blocks and slots may hold anything, for they do not look at it before. They must neither
// read nor write outside of a tensor, which the emulators tell in their checked modes, nor leave an output unwritten.
const CASES = Number(process.env.ATTENTION_FUZZ_CASES ?? 4000);
const GROUPS = 8;

/** What freed memory holds, for an output that is not written to show it. */
const SENTINEL = 12345;

function sentinelOf(storage: ElementStorage): number {
  const sentinel = Float32Array.of(SENTINEL);
  roundArrayToStorage(sentinel, storage);
  return sentinel[0];
}

/** Leaves sentinels in the memory that the next tensor of this size is given. */
function soil(shape: number[], storage: ElementStorage): void {
  const size = shape.reduce((product, length) => product * length, 1);
  const dirt = new Float32Array(size).fill(SENTINEL);
  const soiled = [0, 1].map(() => tensorFromStorage(encodeStorageBytes(dirt, storage), shape, storage));
  for (const tensor of soiled) tensor.dataSync();
  for (const tensor of soiled) tensor.dispose();
}

function expectWritten(tensor: tf.Tensor, storage: ElementStorage): Float32Array {
  const values = tensor.dataSync() as Float32Array;
  expect(values.indexOf(sentinelOf(storage))).toBe(-1);
  return values;
}

const hostileInteger = (random: Random, bound: number): number =>
  random.pick([
    -1,
    -bound,
    0,
    bound - 1,
    bound,
    bound + 1,
    2 * bound,
    1_000_000,
    2 ** 30,
    2 ** 31 - 1,
    -(2 ** 31),
    random.integer(-2 * bound, 3 * bound),
  ]);

/** Starts of sequences that fall, jump past the end, or do not begin at 0. */
function hostileStarts(random: Random, starts: ArrayLike<number>, rows: number): tf.Tensor1D {
  const lies = Int32Array.from(starts);
  const count = random.integer(1, lies.length);
  for (let i = 0; i < count; i++) {
    const at = random.integer(0, 2) === 0 ? 0 : random.integer(0, lies.length - 1);
    lies[at] = random.integer(0, 2) === 0 ? random.integer(0, rows) : hostileInteger(random, rows);
  }
  return tf.tensor1d(lies, 'int32');
}

/** Few shapes and options: the emulator of Metal compiles a function for each combination. */
const SHAPES: Omit<PagedCaseSpec, 'sequences'>[] = [
  { heads: 1, kvHeads: 1, headSize: 8, blockSize: 8, layout: 'flash', storage: 'float32' },
  { heads: 12, kvHeads: 3, headSize: 24, blockSize: 16, layout: 'vllm', storage: 'float32' },
  { heads: 6, kvHeads: 2, headSize: 32, blockSize: 16, layout: 'flash', storage: 'bfloat16' },
  { heads: 8, kvHeads: 1, headSize: 64, blockSize: 8, layout: 'vllm', storage: 'float16' },
];

function drawSpec(random: Random): PagedCaseSpec {
  const sequences = Array.from({ length: random.integer(0, 4) }, () => {
    const queryLength = random.pick([0, 1, 1, 2, 5, random.integer(1, 24)]);
    return { queryLength, contextLength: queryLength + random.pick([0, 1, 15, 16, random.integer(0, 40)]) };
  });
  return {
    ...random.pick(SHAPES),
    sequences,
    paddingRows: random.pick([0, 0, 1, 9]),
    extraColumns: random.integer(0, 2),
  };
}

interface Options {
  slidingWindow?: number;
  causal: boolean;
}

const drawOptions = (random: Random): Options =>
  random.pick([
    { causal: true },
    { causal: true, slidingWindow: random.pick([1, 7, 2 ** 31]) },
    { causal: false, slidingWindow: undefined },
  ]);

function attendSoiled(paged: PagedCase, options: Options) {
  const { query, keyCache, valueCache, metadata, spec } = paged;
  const { storage = 'float32', heads } = spec;
  soil(query.shape, storage);
  soil([query.shape[0], heads], 'float32');
  const { output, lse } = pagedAttentionWithLse(query, keyCache, valueCache, metadata, options);
  return [expectWritten(output, storage), expectWritten(lse, 'float32')];
}

function startsThatLie(random: Random): void {
  const paged = makePagedCase(random, drawSpec(random));
  const rows = paged.query.shape[0];
  paged.metadata.cuSeqlensQ = hostileStarts(random, paged.metadata.cuSeqlensQ!.dataSync(), rows);
  if (random.integer(0, 1)) {
    const lengths = paged.metadata.contextLens
      .dataSync()
      .map((length) => (random.integer(0, 1) ? length : hostileInteger(random, length + 1)));
    paged.metadata.contextLens = tf.tensor1d(lengths, 'int32');
  }
  attendSoiled(paged, drawOptions(random));
}

/** Rows that keep a key of a block that is not there are NaN; all others are what the oracle says. */
function blocksThatLie(random: Random): void {
  const paged = makePagedCase(random, drawSpec(random));
  const { spec, metadata, sequences, keyCache } = paged;
  const { blockSize, heads, headSize, storage = 'float32' } = spec;
  const table = metadata.blockTables.dataSync().slice() as Int32Array;
  const columns = metadata.blockTables.shape[1]!;
  const [numBlocks] = keyCache.shape;
  const bad = spec.sequences.map(({ contextLength }, sequence) => {
    const used = Math.ceil(contextLength / blockSize);
    if (used === 0 || random.integer(0, 1)) return -1;
    const column = random.integer(0, used - 1);
    const entries = [-1, numBlocks, numBlocks + 1, 2 ** 31 - 1, -(2 ** 31), -numBlocks];
    table[sequence * columns + column] = random.pick(entries);
    return column;
  });
  metadata.blockTables = tf.tensor2d(table, [spec.sequences.length, columns], 'int32');
  const options = drawOptions(random);
  const [output, lse] = attendSoiled(paged, options);

  let row = 0;
  sequences.forEach((sequence, i) => {
    const expected = attentionOracle(sequence, options);
    sequence.query.forEach((_, q) => {
      const position = sequence.key.length - sequence.query.length + q;
      const last = options.causal ? position : sequence.key.length - 1;
      const first = options.slidingWindow ? Math.max(0, position + 1 - options.slidingWindow) : 0;
      const isBad = bad[i] >= 0 && bad[i] * blockSize <= last && (bad[i] + 1) * blockSize > first;
      for (let head = 0; head < heads; head++, row++) {
        const actual = output.subarray(row * headSize, (row + 1) * headSize);
        const rowOf = isBad ? new Float32Array(headSize).fill(Number.NaN) : expected.output[q][head];
        expect(relativeError(actual, rowOf)).toBeLessThanOrEqual(4 * TOLERANCE[storage]);
        expect(Number.isNaN(lse[row])).toBe(isBad);
      }
    });
  });
}

function varlenStartsThatLie(random: Random): void {
  const spec = drawSpec(random);
  const { heads, kvHeads, headSize, storage = 'float32' } = spec;
  const starts = { query: [0], key: [0] };
  for (const { queryLength, contextLength } of spec.sequences) {
    starts.query.push(starts.query.at(-1)! + queryLength);
    starts.key.push(starts.key.at(-1)! + contextLength);
  }
  const [rows, keys] = [starts.query.at(-1)! + spec.paddingRows!, starts.key.at(-1)!];
  const { tensor: query } = randomTensor(random, [rows, heads, headSize], storage);
  const [key, value] = [0, 1].map(() => randomTensor(random, [keys, kvHeads, headSize], storage).tensor);
  const attentionMask = random.integer(0, 1) ? tf.randomNormal([heads, rows, keys]) : undefined;
  const metadata = {
    cuSeqlensQ: hostileStarts(random, starts.query, rows),
    cuSeqlensK: hostileStarts(random, starts.key, keys),
  };
  soil(query.shape, storage);
  expectWritten(
    varlenAttention(query, key, value, metadata, { ...drawOptions(random), attentionMask }),
    storage,
  );
}

/** Tokens of slots that are not there are not stored, and nothing else changes. */
function slotsThatLie(random: Random): void {
  const { layout = 'flash', storage = 'float32', kvHeads, headSize, blockSize } = random.pick(SHAPES);
  const sizes = { layout, numBlocks: random.integer(1, 3), blockSize, kvHeads, headSize, storage };
  const numSlots = sizes.numBlocks * blockSize;
  const tokens = random.integer(1, 12);
  const order = random.permutation(numSlots);
  const slots = Int32Array.from({ length: tokens }, (_, token) =>
    random.integer(0, 1) && token < numSlots
      ? order[token]
      : random.pick([-1, -numSlots, numSlots, numSlots + 1, 2 ** 31 - 1, -(2 ** 31), 1_000_000]),
  );
  const rows = [0, 1].map(() => randomTensor(random, [tokens, kvHeads, headSize], storage));
  const shapes = cacheShapes(sizes);
  const caches = (['key', 'value'] as const).map((name) =>
    tensorOf(new Float32Array(numSlots * kvHeads * headSize).fill(7), shapes[name], storage),
  );
  const expected = caches.map(({ values }) => Float32Array.from(values));
  slots.forEach((slot, token) => {
    if (slot < 0 || slot >= numSlots) return;
    for (let head = 0; head < kvHeads; head++) {
      for (let d = 0; d < headSize; d++) {
        const at = cacheIndex(sizes, slot, head, d);
        const from = (token * kvHeads + head) * headSize + d;
        expected[0][at.key] = rows[0].values[from];
        expected[1][at.value] = rows[1].values[from];
      }
    }
  });
  const slotMapping = tf.tensor1d(slots, 'int32');
  reshapeAndCache(rows[0].tensor, rows[1].tensor, caches[0].tensor, caches[1].tensor, slotMapping);
  expect(caches.map(({ tensor }) => tensor.dataSync())).toEqual(expected);
}

/** Positions, ids of experts and of pairs: what they spoil is NaN, or of expert -1. */
function indicesThatLie(random: Random): void {
  const storage = random.pick(ELEMENT_STORAGE_TYPES);
  const [tokens, k, experts] = [random.integer(1, 9), random.integer(1, 3), random.integer(3, 5)];
  const pairs = tokens * k;
  const lies = (length: number, bound: number): Int32Array =>
    Int32Array.from({ length }, () =>
      random.integer(0, 2) ? random.integer(0, bound - 1) : hostileInteger(random, bound),
    );
  const x = randomTensor(random, [tokens, 16], storage).tensor;
  const weights = randomTensor(random, [experts, 24, 16], storage).tensor;
  const down = randomTensor(random, [experts, 16, 12], storage).tensor;
  const topkWeights = tf.ones([tokens, k]);

  const ids = lies(pairs, experts);
  const { sortedTokenIds, expertIds } = sortTokensByExpert(tf.tensor2d(ids, [tokens, k], 'int32'), experts);
  const sorted = [...ids.keys()].toSorted((a, b) => key(ids[a]) - key(ids[b]) || a - b);
  expect([...sortedTokenIds.dataSync()]).toEqual(sorted);
  expect([...expertIds.dataSync()]).toEqual(sorted.map((pair) => (isExpert(ids[pair]) ? ids[pair] : -1)));
  function isExpert(id: number): boolean {
    return id >= 0 && id < experts;
  }
  function key(id: number): number {
    return isExpert(id) ? id : experts;
  }

  soil([tokens, 16], storage);
  const moe = expectWritten(
    fusedMoe(x, weights, down, topkWeights, tf.tensor2d(ids, [tokens, k], 'int32')),
    storage,
  );
  for (let token = 0; token < tokens; token++) {
    const isWhole = ids.subarray(token * k, (token + 1) * k).every(isExpert);
    const row = moe.subarray(token * 16, (token + 1) * 16);
    expect(row.every((element) => Number.isNaN(element) !== isWhole)).toBe(true);
  }

  // Two of one pair would be written by two threads, without an order.
  const order = Int32Array.from(random.permutation(pairs), (pair) =>
    random.integer(0, 2) ? pair : random.pick([-1, -pairs, pairs, pairs + 1, 2 ** 31 - 1, -(2 ** 31)]),
  );
  const ofExperts = random.integer(0, 1) ? lies(pairs, experts).toSorted() : lies(pairs, experts);
  const gemm = moeGemm(x, weights, tf.tensor1d(order, 'int32'), tf.tensor1d(ofExperts, 'int32'), {
    topk: k,
    input: 'tokens',
  });
  expect(gemm.dataSync()).toHaveLength(pairs * 24);

  const rows = random.integer(1, 6);
  const positions = lies(tokens, rows);
  const [query, rotated] = [2, 1].map((heads) => randomTensor(random, [tokens, heads, 16], storage).tensor);
  const [cos, sin] = [0, 1].map(() => tf.randomUniform([rows, 8], 0.1, 1));
  soil(query.shape, storage);
  const [turned] = rotaryEmbedding(query, rotated, tf.tensor1d(positions, 'int32'), cos, sin);
  expectWritten(turned, storage);
}

/** Contexts that devices divide among blocks, whose parts are merged: one bad part spoils its rows, and no other's. */
function expectBadPartSpoils(random: Random, storage: ElementStorage): void {
  const sequences = Array.from({ length: random.pick([1, 3]) }, () => ({
    queryLength: 1,
    contextLength: random.pick([255, 256, 257, 1000]),
  }));
  const spec = { sequences, heads: 4, kvHeads: 1, headSize: 32, blockSize: 8, storage };
  const paged = makePagedCase(random, spec);
  const { metadata, keyCache } = paged;
  delete metadata.cuSeqlensQ;
  const table = metadata.blockTables.dataSync().slice() as Int32Array;
  const columns = metadata.blockTables.shape[1]!;
  const victim = random.integer(0, sequences.length - 1);
  const used = Math.ceil(sequences[victim].contextLength / 8);
  table[victim * columns + random.pick([0, used >> 1, used - 2, used - 1])] = random.pick([
    keyCache.shape[0],
    -1,
  ]);
  metadata.blockTables = tf.tensor2d(table, [sequences.length, columns], 'int32');
  const [output, lse] = attendSoiled(paged, { causal: true });
  paged.sequences.forEach((sequence, i) => {
    const expected =
      i === victim ? new Float32Array(128).fill(Number.NaN) : attentionOracle(sequence).output.flat(2);
    expect(relativeError(output.subarray(i * 128, (i + 1) * 128), expected)).toBeLessThanOrEqual(
      TOLERANCE[storage],
    );
    for (let head = 0; head < 4; head++) expect(Number.isNaN(lse[i * 4 + head])).toBe(i === victim);
  });
}

const KINDS = [
  startsThatLie,
  blocksThatLie,
  varlenStartsThatLie,
  slotsThatLie,
  startsThatLie,
  indicesThatLie,
];

function expectHarmless(backendName: string, seed: number): void {
  const kind = KINDS[seed % KINDS.length];
  try {
    tf.tidy(() => kind(new Random(seed)));
  } catch (error) {
    // Only `cpu` looks at elements, and then says what is wrong.
    const isRefused = error instanceof AttentionError && error.code === 'ERR_RANGE';
    if (backendName !== 'cpu' || !isRefused) throw new Error(`seed ${seed}: ${kind.name}`, { cause: error });
  }
}

describeOnBackends('metadata that lies', (backendName) => {
  if (backendName !== 'cpu') {
    test.each(ELEMENT_STORAGE_TYPES)('a bad block of a long context in %s', (storage) => {
      for (let seed = 0; seed < 12; seed++) tf.tidy(() => expectBadPartSpoils(new Random(seed), storage));
    });
  }

  test.each(Array.from({ length: GROUPS }, (_, group) => group))(`part %d of ${CASES} cases`, (group) => {
    for (let seed = group; seed < CASES; seed += GROUPS) expectHarmless(backendName, seed);
  });
});
