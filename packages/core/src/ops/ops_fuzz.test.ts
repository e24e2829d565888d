import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from '@jest/globals';
import * as core from '../index.ts';
import type { ElementStorage } from '../index.ts';
import { attentionOracle } from '../testing/attention_oracle.ts';
import type { OracleOptions } from '../testing/attention_oracle.ts';
import { checkBounds, describeOnBackends } from '../testing/backends.ts';
import { TOLERANCE, relativeError } from '../testing/compare.ts';
import { describe } from '../checks.ts';
import { isPlain, spoil } from '../testing/hostile_values.ts';
import { Random } from '../testing/random.ts';
import { randomTensor } from '../testing/tensors.ts';

// Calls of every op with arguments that are valid, or of which one is spoilt. What is accepted agrees with an oracle that
// reads the arguments as they were given; what is not accepted throws an AttentionError that names the op.
const CALLS = Number(process.env.ATTENTION_FUZZ_CALLS ?? 1000);
const GROUPS = 10;

type Numbers = ArrayLike<number>;

interface OpCase {
  /** Draws valid arguments. */
  draw(this: void, random: Random, storage: ElementStorage): unknown[];
  /** Calls the op; gives what it returned, or what it wrote to. */
  call(this: void, ...args: never[]): tf.Tensor[];
  /** What the results hold, in float64. Runs before the call, for ops that write in place. */
  oracle(this: void, ...args: never[]): Numbers[];
}

const numbers = (tensor: tf.Tensor): number[] => Array.from(tensor.dataSync());
const ints = (values: readonly number[], ...shape: number[]): tf.Tensor =>
  tf.tensor([...values], shape.length > 0 ? shape : [values.length], 'int32');
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const dot = (a: readonly number[], b: readonly number[]): number => sum(a.map((value, i) => value * b[i]));

/** Rows of `width` elements. */
function rowsOf(values: readonly number[], width: number): number[][] {
  return range(width === 0 ? 0 : values.length / width).map((row) =>
    values.slice(row * width, (row + 1) * width),
  );
}

/** `[a, b, c]` as nested arrays. */
function nested(tensor: tf.Tensor): number[][][] {
  return tensor.arraySync() as number[][][];
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

const density = (t: number): number => Math.exp((-t * t) / 2) / Math.sqrt(2 * Math.PI);

/** The normal distribution's share below `x`, by Simpson's rule. */
function normalBelow(x: number): number {
  const bounded = Math.max(-12, Math.min(12, x));
  const step = bounded / 2000;
  const weights = range(2001).map((i) => (i === 0 || i === 2000 ? 1 : i % 2 === 1 ? 4 : 2));
  return 0.5 + (step / 3) * sum(weights.map((weight, i) => weight * density(i * step)));
}

const ACTIVATIONS: Record<string, (x: number) => number> = {
  silu: (x) => x * sigmoid(x),
  gelu: (x) => x * normalBelow(x),
  gelu_tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

function gated(x: tf.Tensor, activation: (value: number) => number): number[] {
  const width = x.shape.at(-1)! / 2;
  return rowsOf(numbers(x), 2 * width).flatMap((row) =>
    range(width).map((i) => activation(row[i]) * row[width + i]),
  );
}

function softmax(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const terms = row.map((value) => Math.exp(value - largest));
  return terms.map((term) => term / sum(terms));
}

const drawn = (random: Random, shape: number[], storage: ElementStorage): tf.Tensor =>
  randomTensor(random, shape, storage).tensor;

interface AttentionCall extends OracleOptions {
  alibiSlopes?: number[];
}

const headNumbers = (given: unknown): number[] | undefined =>
  given instanceof tf.Tensor ? numbers(given) : (given as number[] | undefined);

const oracleOptions = (options: AttentionCall = {}): OracleOptions => ({
  ...options,
  alibiSlopes: headNumbers(options.alibiSlopes),
  sinks: headNumbers(options.sinks),
});

function drawAttentionOptions(random: Random, heads: number): AttentionCall {
  return random.pick<() => AttentionCall>([
    () => ({}),
    () => ({ causal: false, scale: 0.2 }),
    () => ({ softcap: 5, slidingWindow: random.integer(1, 9), sinks: [...random.normal(heads)] }),
    () => ({ alibiSlopes: [...random.normal(heads, 0.1)] }),
  ])();
}

function attendRows(
  query: tf.Tensor,
  sequences: { first: number; end: number; key: number[][][]; value: number[][][] }[],
  options: AttentionCall | undefined,
): Numbers[] {
  const rows = nested(query);
  const width = query.shape[1]! * query.shape[2]!;
  const output = range(rows.length * width).map(() => 0);
  const lse = range(rows.length * query.shape[1]!).map(() => -Infinity);
  for (const { first, end, key, value } of sequences) {
    const found = attentionOracle({ query: rows.slice(first, end), key, value }, oracleOptions(options));
    found.output.flat(2).forEach((element, i) => (output[first * width + i] = element));
    found.lse.flat().forEach((element, i) => (lse[first * query.shape[1]! + i] = element));
  }
  return [output, lse];
}

interface PagedMetadata {
  blockTables: tf.Tensor;
  contextLens: tf.Tensor;
  cuSeqlensQ?: tf.Tensor;
}

const pagedCase: OpCase = {
  draw(random, storage) {
    const [kvHeads, group] = [random.integer(1, 2), random.pick([1, 3])];
    const lengths = range(random.integer(0, 3)).map(() => random.integer(1, 3));
    const contexts = lengths.map((length) => length + random.integer(0, 20));
    const isDecode = random.integer(0, 1) === 1;
    const starts = [0];
    for (const length of lengths) starts.push(starts.at(-1)! + (isDecode ? 1 : length));
    const query = drawn(random, [starts.at(-1)!, kvHeads * group, 16], storage);
    const caches = [0, 1].map(() => drawn(random, [5, 8, kvHeads, 16], storage));
    const metadata = {
      blockTables: ints(
        lengths.flatMap(() => random.permutation(5).slice(0, 3)),
        lengths.length,
        3,
      ),
      contextLens: ints(contexts),
      ...(isDecode ? {} : { cuSeqlensQ: ints(starts) }),
    };
    return [query, ...caches, metadata, drawAttentionOptions(random, kvHeads * group)];
  },
  call(...args: Parameters<typeof core.pagedAttentionWithLse>) {
    const { output, lse } = core.pagedAttentionWithLse(...args);
    return [output, lse];
  },
  oracle(
    query: tf.Tensor,
    keys: tf.Tensor,
    values: tf.Tensor,
    metadata: PagedMetadata,
    options?: AttentionCall,
  ) {
    const [, blockSize] = keys.shape as number[];
    const table = metadata.blockTables.arraySync() as number[][];
    const starts = metadata.cuSeqlensQ ? numbers(metadata.cuSeqlensQ) : range(query.shape[0] + 1);
    const [k, v] = [keys, values].map((cache) => cache.arraySync() as number[][][][]);
    const sequences = numbers(metadata.contextLens).map((length, i) => {
      const rows = (cache: number[][][][]): number[][][] =>
        range(length).map((at) => cache[table[i][Math.floor(at / blockSize)]][at % blockSize]);
      return { first: starts[i], end: starts[i + 1], key: rows(k), value: rows(v) };
    });
    return attendRows(query, sequences, options);
  },
};

const varlenCase: OpCase = {
  draw(random, storage) {
    const [kvHeads, group] = [random.integer(1, 2), random.pick([1, 3])];
    const starts = { query: [0], key: [0] };
    for (let i = random.integer(0, 3); i > 0; i--) {
      starts.query.push(starts.query.at(-1)! + random.integer(0, 4));
      starts.key.push(starts.key.at(-1)! + random.integer(0, 9));
    }
    const query = drawn(random, [starts.query.at(-1)! + random.integer(0, 2), kvHeads * group, 16], storage);
    const [key, value] = [0, 1].map(() => drawn(random, [starts.key.at(-1)!, kvHeads, 16], storage));
    const metadata = { cuSeqlensQ: ints(starts.query), cuSeqlensK: ints(starts.key) };
    return [query, key, value, metadata, drawAttentionOptions(random, kvHeads * group)];
  },
  call: (...args: Parameters<typeof core.varlenAttention>) => [core.varlenAttention(...args)],
  oracle(
    query: tf.Tensor,
    key: tf.Tensor,
    value: tf.Tensor,
    metadata: { cuSeqlensQ: tf.Tensor; cuSeqlensK: tf.Tensor },
    options?: AttentionCall,
  ) {
    const [starts, keyStarts] = [numbers(metadata.cuSeqlensQ), numbers(metadata.cuSeqlensK)];
    const [k, v] = [nested(key), nested(value)];
    const sequences = range(starts.length - 1).map((i) => ({
      first: starts[i],
      end: starts[i + 1],
      key: k.slice(keyStarts[i], keyStarts[i + 1]),
      value: v.slice(keyStarts[i], keyStarts[i + 1]),
    }));
    return attendRows(query, sequences, options).slice(0, 1);
  },
};

/** Copies blocks of `from` to blocks of `to`, pair after pair. */
function copied(from: number[], to: number[], width: number, pairs: Int32Array): number[] {
  for (let i = 0; i < pairs.length; i += 2) {
    for (let d = 0; d < width; d++) to[pairs[i + 1] * width + d] = from[pairs[i] * width + d];
  }
  return to;
}

const blockWidth = (cache: tf.Tensor): number =>
  cache.shape.slice(1).reduce((product, size) => product * size, 1);

const CASES: Record<string, OpCase> = {
  pagedAttentionWithLse: pagedCase,
  pagedAttention: {
    ...pagedCase,
    call: (...args: Parameters<typeof core.pagedAttention>) => [core.pagedAttention(...args)],
    oracle: (...args: never[]) => pagedCase.oracle(...args).slice(0, 1),
  },
  varlenAttention: varlenCase,
  siluAndMul: {
    draw: (random, storage) => [drawn(random, [random.integer(0, 3), 2 * random.integer(0, 9)], storage)],
    call: (x: tf.Tensor) => [core.siluAndMul(x)],
    oracle: (x: tf.Tensor) => [gated(x, ACTIVATIONS.silu)],
  },
  geluAndMul: {
    draw: (random, storage) => [
      drawn(random, [random.integer(0, 3), 2 * random.integer(0, 9)], storage),
      { approximate: random.pick(['none', 'tanh']) },
    ],
    call: (...args: Parameters<typeof core.geluAndMul>) => [core.geluAndMul(...args)],
    oracle: (x: tf.Tensor, { approximate = 'none' }: { approximate?: string } = {}) => [
      gated(x, approximate === 'none' ? ACTIVATIONS.gelu : ACTIVATIONS.gelu_tanh),
    ],
  },
  rmsNorm: {
    draw(random, storage) {
      const shape = [random.integer(0, 3), random.integer(0, 20)];
      const weight = drawn(random, [shape[1]], random.pick([storage, 'float32'] as const));
      const residual = random.integer(0, 1) ? drawn(random, shape, storage) : undefined;
      const addUnitOffset = random.integer(0, 1) === 1;
      return [drawn(random, shape, storage), weight, { epsilon: 1e-5, residual, addUnitOffset }];
    },
    call: (...args: Parameters<typeof core.rmsNorm>) => [core.rmsNorm(...args)].flat(),
    oracle(x: tf.Tensor, weight: tf.Tensor, options: core.RmsNormOptions) {
      const added = options.residual && numbers(options.residual);
      const float32 = numbers(x).map((value, i) => value + (added?.[i] ?? 0));
      const sums = added ? numbers(core.castStorage(tf.tensor1d(float32), core.storageOf(x))) : float32;
      const weights = numbers(weight);
      const normed = rowsOf(sums, weights.length).flatMap((row) => {
        const scale = 1 / Math.sqrt(dot(row, row) / row.length + options.epsilon);
        return row.map((value, i) => value * scale * (weights[i] + (options.addUnitOffset ? 1 : 0)));
      });
      return added ? [normed, sums] : [normed];
    },
  },
  linear: {
    draw(random, storage) {
      const [inputs, outputs] = [random.integer(0, 20), random.integer(0, 9)];
      const bias = random.integer(0, 1) ? drawn(random, [outputs], storage) : undefined;
      return [
        drawn(random, [random.integer(0, 4), inputs], storage),
        drawn(random, [outputs, inputs], storage),
        bias,
      ];
    },
    call: (...args: Parameters<typeof core.linear>) => [core.linear(...args)],
    oracle(x: tf.Tensor, weight: tf.Tensor, bias?: tf.Tensor) {
      const [outputs, inputs] = weight.shape as number[];
      const rows =
        x.size === 0
          ? range(x.shape.slice(0, -1).reduce((a, b) => a * b, 1)).map(() => [])
          : rowsOf(numbers(x), inputs);
      const columns = inputs === 0 ? range(outputs).map(() => []) : rowsOf(numbers(weight), inputs);
      const added = bias && numbers(bias);
      return [rows.flatMap((row) => columns.map((column, i) => dot(row, column) + (added?.[i] ?? 0)))];
    },
  },
  rotaryEmbedding: {
    draw(random, storage) {
      const [tokens, rotaryDim] = [random.integer(0, 4), random.pick([2, 8, 16])];
      const [query, key] = [3, 1].map((heads) => drawn(random, [tokens, heads, 16], storage));
      const [cos, sin] = [0, 1].map(() => drawn(random, [5, rotaryDim / 2], 'float32'));
      const positions = ints(range(tokens).map(() => random.integer(0, 4)));
      return [query, key, positions, cos, sin, { interleaved: random.integer(0, 1) === 1, rotaryDim }];
    },
    call: (...args: Parameters<typeof core.rotaryEmbedding>) => core.rotaryEmbedding(...args),
    oracle(
      query: tf.Tensor,
      key: tf.Tensor,
      positions: tf.Tensor,
      cos: tf.Tensor,
      sin: tf.Tensor,
      options: { interleaved?: boolean; rotaryDim?: number } = {},
    ) {
      const at = numbers(positions);
      const [c, s] = [cos.arraySync() as number[][], sin.arraySync() as number[][]];
      return [query, key].map((x) => {
        const { interleaved = false, rotaryDim = x.shape[2]! } = options;
        return nested(x).flatMap((heads, token) =>
          heads.flatMap((head) => {
            const turned = [...head];
            for (let i = 0; i < Math.min(rotaryDim, head.length) / 2; i++) {
              const [a, b] = interleaved ? [2 * i, 2 * i + 1] : [i, i + rotaryDim / 2];
              turned[a] = head[a] * c[at[token]][i] - head[b] * s[at[token]][i];
              turned[b] = head[b] * c[at[token]][i] + head[a] * s[at[token]][i];
            }
            return turned;
          }),
        );
      });
    },
  },
  castStorage: {
    draw: (random, storage) => [
      drawn(random, [random.integer(0, 9)], storage),
      random.pick(core.ELEMENT_STORAGE_TYPES),
    ],
    call: (...args: Parameters<typeof core.castStorage>) => [core.castStorage(...args)],
    oracle: (x: tf.Tensor) => [numbers(x)],
  },
  zerosWithStorage: {
    draw: (random, storage) => [
      [random.integer(0, 3), random.integer(0, 5)],
      storage,
      { memory: random.pick(['host', 'device']) },
    ],
    call: (...args: Parameters<typeof core.zerosWithStorage>) => [core.zerosWithStorage(...args)],
    oracle: (shape: number[]) => [range(shape.reduce((product, size) => product * size, 1)).map(() => 0)],
  },
  tensorFromStorage: {
    draw(random, storage) {
      const size = random.integer(0, 9);
      return [core.encodeStorageBytes(random.normal(size), storage), [size], storage];
    },
    call: (...args: Parameters<typeof core.tensorFromStorage>) => [core.tensorFromStorage(...args)],
    oracle: (bytes: Uint8Array, _shape: number[], storage: ElementStorage) => [
      core.decodeStorageBytes(bytes, storage),
    ],
  },
  assignStorage: {
    draw(random, storage) {
      const size = random.integer(0, 9);
      const source = random.integer(0, 1) ? random.normal(size) : drawn(random, [size], 'float32');
      return [drawn(random, [size], storage), source];
    },
    call(destination: tf.Tensor, source: tf.Tensor | Float32Array) {
      core.assignStorage(destination, source);
      return [destination];
    },
    oracle: (_destination: tf.Tensor, source: tf.Tensor | Float32Array) => [
      source instanceof tf.Tensor ? numbers(source) : source,
    ],
  },
  reshapeAndCache: {
    draw(random, storage) {
      const tokens = random.integer(0, 4);
      const rows = [0, 1].map(() => drawn(random, [tokens, 2, 8], storage));
      const caches = [0, 1].map(() => drawn(random, [2, 8, 2, 8], storage));
      const slots = random.permutation(16).slice(0, tokens);
      return [...rows, ...caches, ints(slots.map((slot) => (slot % 5 === 0 ? -1 : slot)))];
    },
    call(...args: Parameters<typeof core.reshapeAndCache>) {
      core.reshapeAndCache(...args);
      return [args[2], args[3]];
    },
    oracle(key: tf.Tensor, value: tf.Tensor, keyCache: tf.Tensor, valueCache: tf.Tensor, slots: tf.Tensor) {
      return [
        [key, keyCache],
        [value, valueCache],
      ].map(([rows, cache]) => {
        const [from, to] = [numbers(rows), numbers(cache)];
        const width = rows.shape[1]! * rows.shape[2]!;
        numbers(slots).forEach((slot, token) => {
          if (slot < 0) return;
          for (let i = 0; i < width; i++) to[slot * width + i] = from[token * width + i];
        });
        return to;
      });
    },
  },
  copyBlocks: {
    draw(random, storage) {
      const layers = range(random.integer(0, 2));
      const caches = [0, 1].map(() => layers.map(() => drawn(random, [4, 8, 1, 8], storage)));
      return [...caches, Int32Array.from({ length: 2 * random.integer(0, 4) }, () => random.integer(0, 3))];
    },
    call(...args: Parameters<typeof core.copyBlocks>) {
      core.copyBlocks(...args);
      return [...args[0], ...args[1]];
    },
    oracle(keys: tf.Tensor[], values: tf.Tensor[], pairs: Int32Array) {
      return [...keys, ...values].map((cache) => {
        const held = numbers(cache);
        return copied(held, held, blockWidth(cache), pairs);
      });
    },
  },
  swapBlocks: {
    draw: (random, storage) => [
      drawn(random, [3, 8, 2], storage),
      drawn(random, [5, 8, 2], storage),
      Int32Array.from({ length: 2 * random.integer(0, 4) }, () => random.integer(0, 2)),
    ],
    call(...args: Parameters<typeof core.swapBlocks>) {
      core.swapBlocks(...args);
      return [args[1]];
    },
    oracle: (source: tf.Tensor, destination: tf.Tensor, pairs: Int32Array) => [
      copied(numbers(source), numbers(destination), blockWidth(source), pairs),
    ],
  },
  topkSoftmax: {
    draw(random, storage) {
      const experts = random.integer(1, 9);
      return [
        drawn(random, [random.integer(0, 4), experts], storage),
        random.integer(1, experts),
        { renormalize: random.integer(0, 1) === 1 },
      ];
    },
    call(...args: Parameters<typeof core.topkSoftmax>) {
      const { weights, ids } = core.topkSoftmax(...args);
      return [weights, ids];
    },
    oracle(logits: tf.Tensor, k: number, { renormalize = false }: { renormalize?: boolean } = {}) {
      const rows = rowsOf(numbers(logits), logits.shape[1]!).map((row) => {
        const ids = range(row.length)
          .toSorted((a, b) => row[b] - row[a] || a - b)
          .slice(0, k);
        const weights = ids.map((id) => softmax(row)[id]);
        const total = renormalize ? sum(weights) : 1;
        return { ids, weights: weights.map((weight) => weight / total) };
      });
      return [rows.flatMap(({ weights }) => weights), rows.flatMap(({ ids }) => ids)];
    },
  },
  sortTokensByExpert: {
    draw(random) {
      const [tokens, k, experts] = [random.integer(0, 5), random.integer(0, 3), random.integer(1, 6)];
      return [
        ints(
          range(tokens * k).map(() => random.integer(0, experts - 1)),
          tokens,
          k,
        ),
        experts,
      ];
    },
    call(...args: Parameters<typeof core.sortTokensByExpert>) {
      const { sortedTokenIds, expertIds } = core.sortTokensByExpert(...args);
      return [sortedTokenIds, expertIds];
    },
    oracle(ids: tf.Tensor) {
      const experts = numbers(ids);
      const sorted = range(experts.length).toSorted((a, b) => experts[a] - experts[b] || a - b);
      return [sorted, sorted.map((pair) => experts[pair])];
    },
  },
  moeGemm: {
    draw(random, storage) {
      const [tokens, topk, experts] = [random.integer(0, 4), random.integer(1, 3), random.integer(1, 4)];
      const input = random.pick(['tokens', 'pairs']);
      const ids = ints(
        range(tokens * topk).map(() => random.integer(0, experts - 1)),
        tokens,
        topk,
      );
      const { sortedTokenIds, expertIds } = core.sortTokensByExpert(ids, experts);
      const x = drawn(random, [input === 'tokens' ? tokens : tokens * topk, 16], storage);
      const topkWeights = random.integer(0, 1) ? drawn(random, [tokens, topk], 'float32') : undefined;
      return [
        x,
        drawn(random, [experts, 8, 16], storage),
        sortedTokenIds,
        expertIds,
        { topk, input, topkWeights },
      ];
    },
    call: (...args: Parameters<typeof core.moeGemm>) => [core.moeGemm(...args)],
    oracle(
      x: tf.Tensor,
      weights: tf.Tensor,
      sorted: tf.Tensor,
      experts: tf.Tensor,
      options: core.MoeGemmOptions,
    ) {
      const rows = rowsOf(numbers(x), x.shape[1]!);
      const matrices = nested(weights);
      const [pairs, ofExpert] = [numbers(sorted), numbers(experts)];
      const factors = options.topkWeights && numbers(options.topkWeights);
      const output: number[][] = [];
      pairs.forEach((pair, i) => {
        const row = rows[options.input === 'pairs' ? pair : Math.floor(pair / options.topk)] ?? [];
        output[pair] = (matrices[ofExpert[i]] ?? []).map(
          (column) => dot(row, column) * (factors?.[pair] ?? 1),
        );
      });
      return [output.flat()];
    },
  },
  fusedMoe: {
    draw(random, storage) {
      const [tokens, k, experts] = [random.integer(0, 4), random.integer(0, 3), random.integer(1, 4)];
      return [
        drawn(random, [tokens, 16], storage),
        drawn(random, [experts, 16, 16], storage),
        drawn(random, [experts, 16, 8], storage),
        drawn(random, [tokens, k], 'float32'),
        ints(
          range(tokens * k).map(() => random.integer(0, experts - 1)),
          tokens,
          k,
        ),
        { activation: random.pick(['silu', 'gelu', 'gelu_tanh']) },
      ];
    },
    call: (...args: Parameters<typeof core.fusedMoe>) => [core.fusedMoe(...args)],
    oracle(
      x: tf.Tensor,
      gateUp: tf.Tensor,
      down: tf.Tensor,
      weights: tf.Tensor,
      ids: tf.Tensor,
      { activation = 'silu' }: { activation?: string } = {},
    ) {
      const [gates, downs] = [nested(gateUp), nested(down)];
      const [chosen, factors, k] = [numbers(ids), numbers(weights), ids.shape[1]!];
      const width = down.shape[2]!;
      return [
        (x.arraySync() as number[][]).flatMap((row, token) => {
          const total = row.map(() => 0);
          for (let pair = token * k; pair < (token + 1) * k; pair++) {
            const inner = gates[chosen[pair]].map((column) => dot(row, column));
            const hidden = range(width).map((i) => ACTIVATIONS[activation](inner[i]) * inner[width + i]);
            downs[chosen[pair]].forEach((column, i) => (total[i] += factors[pair] * dot(hidden, column)));
          }
          return total;
        }),
      ];
    },
  },
  mergeAttentionStates: {
    draw(random, storage) {
      const shape = [random.integer(1, 3), random.integer(0, 3), 2];
      return [drawn(random, [...shape, 8], storage), drawn(random, shape, 'float32')];
    },
    call(...args: Parameters<typeof core.mergeAttentionStates>) {
      const { output, lse } = core.mergeAttentionStates(...args);
      return [output, lse];
    },
    oracle(outputs: tf.Tensor, lses: tf.Tensor) {
      const [parts, width] = [outputs.shape[0], outputs.shape[3]!];
      const [values, weights] = [numbers(outputs), numbers(lses).map(Math.exp)];
      const rows = range(weights.length / parts);
      const total = rows.map((row) => sum(range(parts).map((part) => weights[part * rows.length + row])));
      const output = rows.flatMap((row) =>
        range(width).map((d) => {
          const terms = range(parts).map((part) => {
            const at = part * rows.length + row;
            return weights[at] * values[at * width + d];
          });
          return sum(terms) / total[row];
        }),
      );
      return [output, total.map(Math.log)];
    },
  },
  sampleTokens: {
    draw(random, storage) {
      const rows = random.integer(0, 4);
      const logits = drawn(random, [rows, random.integer(1, 30)], storage);
      return [
        logits,
        { temperature: 0, topK: random.integer(0, 3), topP: 0.9, minP: 0.1, seeds: 7, positions: 3 },
      ];
    },
    call: (...args: Parameters<typeof core.sampleTokens>) => [core.sampleTokens(...args)],
    oracle: (logits: tf.Tensor) => [
      rowsOf(numbers(logits), logits.shape[1]!).map((row) => row.indexOf(Math.max(...row))),
    ],
  },
};

/** Calls with a spoilt argument of which the oracle knows nothing: any token may be sampled, rows are too small for float16. */
const isBeyondOracle = (name: string, args: unknown[]): boolean => {
  if (name === 'sampleTokens') return (args[1] as { temperature?: unknown }).temperature !== 0;
  return name === 'rmsNorm' && (args[2] as core.RmsNormOptions).epsilon > 1;
};

/** Calls that would take gigabytes. */
const isTooLarge = (name: string, [shape]: unknown[]): boolean =>
  name === 'zerosWithStorage' &&
  Array.isArray(shape) &&
  shape.some((size) => Number(typeof size === 'number' && size) > 2 ** 20);

function expectCallIsRight(seed: number): void {
  const random = new Random(seed);
  const name = random.pick(Object.keys(CASES));
  const { draw, call, oracle } = CASES[name];
  const storage = random.pick(core.ELEMENT_STORAGE_TYPES);
  const valid = draw(random, storage);
  const isValid = random.integer(0, 2) === 0;
  const args = (isValid ? valid : spoil(random, valid)) as never[];
  if (isTooLarge(name, args)) return;
  const shown = (): string =>
    `${name} ${args.map((arg) => describe(isPlain(arg) ? Object.entries(arg) : arg)).join(' ')}`;
  let expected: Numbers[] = [];
  let oracleError: unknown;
  try {
    expected = oracle(...args);
  } catch (error) {
    oracleError = error; // which is right if the call fails, too
  }
  let results: tf.Tensor[];
  try {
    results = call(...args);
  } catch (error) {
    const isOurs = error instanceof core.AttentionError && /^\[\w+\] \w/.test(error.message);
    if (isOurs && !isValid) return;
    throw new Error(`${shown()}: ${isValid ? 'refused, and valid' : 'a foreign error'}`, { cause: error });
  }
  if (isBeyondOracle(name, args)) return;
  if (oracleError !== undefined) {
    throw new Error(`${shown()}: accepted, and the oracle cannot compute it`, { cause: oracleError });
  }
  expect(results).toHaveLength(expected.length);
  results.forEach((result, i) => {
    const bound =
      2 * TOLERANCE[result.dtype === 'int32' ? 'float32' : core.elementStorageOf(result)] +
      TOLERANCE[storage];
    const error = relativeError(numbers(result), expected[i]);
    if (!(error <= bound)) throw new Error(`${shown()}: result ${i} is off by ${error}`);
  });
}

describeOnBackends('ops called with anything', (backendName) => {
  checkBounds(backendName);

  test('every exported op is among them', () => {
    const ops = Object.keys(core).filter((name) => `${name}Op` in core);
    expect(Object.keys(CASES)).toEqual(expect.arrayContaining(ops));
  });

  test.each(range(GROUPS))(`part %d of ${CALLS} calls`, (group) => {
    for (let seed = group; seed < CALLS; seed += GROUPS) {
      try {
        tf.tidy(() => expectCallIsRight(seed));
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
});
