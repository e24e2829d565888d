/**
 * Attention on typed arrays: FlashAttention-2's loop (Dao, 2023) over tiles of the context, in float64.
 *
 * It needs memory for one tile, however long the context. Tiles start at multiples of {@link TILE_KEYS} from the context's
 * start, and every row adds its keys in ascending order, so a row's bits depend only on its own sequence: batched, chunked
 * and prefix-cached calls agree exactly.
 */

const { exp, log, max, tanh } = Math; // in a vm context (jest), each access to a global is a slow lookup

/** Keys per tile. */
const TILE_KEYS = 64;

/** Rows per tile; each head of a KV head's group is a row. Even, because rows are scored in pairs. */
const TILE_ROWS = 32;

/** Copies keys and values `[from, to)` of one sequence and KV head to `keys` and `values`, starting at row 0. */
export type GatherKeyValue = (
  sequence: number,
  kvHead: number,
  from: number,
  to: number,
  keys: Float64Array,
  values: Float64Array,
) => void;

/** The query rows of one sequence, and its number of keys. */
export interface AttentionSequence {
  /** First query row in the batch. */
  queryStart: number;
  /** Number of query rows. */
  queryLength: number;
  /** Number of keys; the last query row is at the last key. */
  contextLength: number;
}

/** A batch of attention problems that share a source of keys and values. */
export interface AttentionProblem {
  query: Float32Array;
  numHeads: number;
  numKvHeads: number;
  headSize: number;
  sequences: AttentionSequence[];
  gather: GatherKeyValue;
  scale: number;
  causal: boolean;
  /** 0 for none. */
  softcap: number;
  /** `Infinity` for none. */
  slidingWindow: number;
  alibiSlopes?: ArrayLike<number>;
  sinks?: ArrayLike<number>;
  /** Value added to the score of (head, query row of the batch, sequence, key). */
  bias?: (head: number, row: number, sequence: number, key: number) => number;
}

/**
 * Fills `output` `[T, H, D]` and, if given, `lse` `[T, H]`. Rows that belong to no sequence keep their content in
 * `output`, and get −∞ in `lse`.
 */
export function attention(problem: AttentionProblem, output: Float32Array, lse?: Float32Array): void {
  lse?.fill(Number.NEGATIVE_INFINITY);
  const tile = new AttentionTile(problem, output, lse);
  problem.sequences.forEach(({ queryLength }, sequence) => {
    const rows = queryLength * (problem.numHeads / problem.numKvHeads);
    for (let kvHead = 0; kvHead < problem.numKvHeads; kvHead++) {
      for (let row = 0; row < rows; row += TILE_ROWS) {
        tile.run(sequence, kvHead, row, Math.min(TILE_ROWS, rows - row));
      }
    }
  });
}

/** Scratch memory for one tile of rows, and the online softmax over the tiles of keys. */
class AttentionTile {
  readonly #problem: AttentionProblem;
  readonly #output: Float32Array;
  readonly #lse: Float32Array | undefined;
  readonly #group: number;
  readonly #query: Float64Array;
  readonly #keys: Float64Array;
  readonly #values: Float64Array;
  readonly #scores = new Float64Array(TILE_ROWS * TILE_KEYS);
  readonly #accumulator: Float64Array;
  readonly #maximum = new Float64Array(TILE_ROWS);
  readonly #denominator = new Float64Array(TILE_ROWS);

  constructor(problem: AttentionProblem, output: Float32Array, lse: Float32Array | undefined) {
    this.#problem = problem;
    this.#output = output;
    this.#lse = lse;
    this.#group = problem.numHeads / problem.numKvHeads;
    this.#query = new Float64Array(TILE_ROWS * problem.headSize);
    this.#accumulator = new Float64Array(TILE_ROWS * problem.headSize);
    this.#keys = new Float64Array(TILE_KEYS * problem.headSize);
    this.#values = new Float64Array(TILE_KEYS * problem.headSize);
  }

  /**
   * Computes `count` rows of a sequence and KV head, starting at `firstRow`; row = query row · group + head in group.
   */
  run(sequence: number, kvHead: number, firstRow: number, count: number): void {
    const { headSize, sequences, gather } = this.#problem;
    const { queryStart, queryLength, contextLength } = sequences[sequence];
    const rows: TileRow[] = [];
    for (let r = 0; r < count; r++) {
      const queryRow = Math.floor((firstRow + r) / this.#group);
      const head = kvHead * this.#group + ((firstRow + r) % this.#group);
      const position = contextLength - queryLength + queryRow;
      rows.push({ head, row: queryStart + queryRow, position, ...this.#keptKeys(position, contextLength) });
    }
    this.#load(rows);
    const first = Math.min(...rows.map(({ from }) => from));
    const last = max(...rows.map(({ to }) => to));
    for (let start = first - (first % TILE_KEYS); start < last; start += TILE_KEYS) {
      const from = max(first, start);
      const to = Math.min(last, start + TILE_KEYS);
      gather(sequence, kvHead, from, to, this.#keys, this.#values);
      for (let r = 0; r < count; r += 2) {
        scorePair(this.#query, r * headSize, this.#keys, to - from, headSize, this.#scores, r * TILE_KEYS);
      }
      rows.forEach((row, r) => this.#accumulate(row, r, sequence, from, to));
    }
    this.#store(rows);
  }

  /** Range of keys that causality and the sliding window keep for the query at `position`. */
  #keptKeys(position: number, contextLength: number): { from: number; to: number } {
    const { causal, slidingWindow } = this.#problem;
    const to = causal ? Math.min(contextLength, max(0, position + 1)) : contextLength;
    return { from: Math.min(to, max(0, position + 1 - slidingWindow)), to };
  }

  #load(rows: TileRow[]): void {
    const { query, numHeads, headSize, scale } = this.#problem;
    this.#accumulator.fill(0);
    this.#maximum.fill(Number.NEGATIVE_INFINITY);
    this.#denominator.fill(0);
    rows.forEach(({ head, row }, r) => {
      const source = (row * numHeads + head) * headSize;
      for (let d = 0; d < headSize; d++) this.#query[r * headSize + d] = scale * query[source + d];
    });
  }

  /** Online softmax: adds the scored keys `[from, to)` of the tile to row `r`. */
  #accumulate(row: TileRow, r: number, sequence: number, from: number, to: number): void {
    const { headSize } = this.#problem;
    const begin = max(from, row.from);
    const end = Math.min(to, row.to);
    if (begin >= end) return;
    const scores = this.#scores;
    const offset = r * TILE_KEYS - from;
    this.#adjustScores(row, sequence, begin, end, offset);

    let maximum = this.#maximum[r];
    for (let key = begin; key < end; key++) maximum = max(maximum, scores[offset + key]);
    if (maximum === Number.NEGATIVE_INFINITY) return;
    const rescale = exp(this.#maximum[r] - maximum);
    let denominator = this.#denominator[r] * rescale;
    for (let key = begin; key < end; key++) {
      const weight = exp(scores[offset + key] - maximum);
      scores[offset + key] = weight;
      denominator += weight;
    }
    this.#maximum[r] = maximum;
    this.#denominator[r] = denominator;
    const accumulator = r * headSize;
    if (rescale !== 1) {
      for (let d = 0; d < headSize; d++) this.#accumulator[accumulator + d] *= rescale;
    }
    addWeighted(
      scores,
      offset + begin,
      this.#values,
      begin - from,
      end - begin,
      headSize,
      this.#accumulator,
      accumulator,
    );
  }

  #adjustScores(
    { head, row, position }: TileRow,
    sequence: number,
    begin: number,
    end: number,
    offset: number,
  ): void {
    const { softcap, alibiSlopes, bias } = this.#problem;
    const scores = this.#scores;
    if (softcap > 0) {
      for (let key = begin; key < end; key++)
        scores[offset + key] = softcap * tanh(scores[offset + key] / softcap);
    }
    if (alibiSlopes) {
      const slope = alibiSlopes[head];
      for (let key = begin; key < end; key++) scores[offset + key] += slope * (key - position);
    }
    if (bias) {
      for (let key = begin; key < end; key++) scores[offset + key] += bias(head, row, sequence, key);
    }
  }

  #store(rows: TileRow[]): void {
    const { numHeads, headSize, sinks } = this.#problem;
    rows.forEach(({ head, row }, r) => {
      let denominator = this.#denominator[r];
      if (denominator === 0) return; // no key kept: zeros, and −∞ in lse
      let maximum = this.#maximum[r];
      let factor = 1;
      if (sinks) {
        maximum = max(maximum, sinks[head]);
        factor = exp(this.#maximum[r] - maximum);
        denominator = denominator * factor + exp(sinks[head] - maximum);
      }
      factor /= denominator;
      const target = row * numHeads + head;
      for (let d = 0; d < headSize; d++) {
        this.#output[target * headSize + d] = this.#accumulator[r * headSize + d] * factor;
      }
      if (this.#lse) this.#lse[target] = maximum + log(denominator);
    });
  }
}

/** A row of a tile: its head, its row in the batch, its absolute position, and the keys `[from, to)` that it keeps. */
interface TileRow {
  head: number;
  row: number;
  position: number;
  from: number;
  to: number;
}

/**
 * Scores two query rows against `count` keys. Blocks of 2 × 4 make good use of registers in V8: less than one load per
 * product.
 */
function scorePair(
  query: Float64Array,
  row0: number,
  keys: Float64Array,
  count: number,
  headSize: number,
  scores: Float64Array,
  scores0: number,
): void {
  const row1 = row0 + headSize;
  const scores1 = scores0 + TILE_KEYS;
  // Past `count`, the block reads keys of an earlier tile; those scores are not used.
  for (let key = 0; key < count; key += 4) {
    let s00 = 0;
    let s01 = 0;
    let s02 = 0;
    let s03 = 0;
    let s10 = 0;
    let s11 = 0;
    let s12 = 0;
    let s13 = 0;
    const key0 = key * headSize;
    const key1 = key0 + headSize;
    const key2 = key1 + headSize;
    const key3 = key2 + headSize;
    for (let d = 0; d < headSize; d++) {
      const q0 = query[row0 + d];
      const q1 = query[row1 + d];
      const k0 = keys[key0 + d];
      const k1 = keys[key1 + d];
      const k2 = keys[key2 + d];
      const k3 = keys[key3 + d];
      s00 += q0 * k0;
      s01 += q0 * k1;
      s02 += q0 * k2;
      s03 += q0 * k3;
      s10 += q1 * k0;
      s11 += q1 * k1;
      s12 += q1 * k2;
      s13 += q1 * k3;
    }
    scores[scores0 + key] = s00;
    scores[scores0 + key + 1] = s01;
    scores[scores0 + key + 2] = s02;
    scores[scores0 + key + 3] = s03;
    scores[scores1 + key] = s10;
    scores[scores1 + key + 1] = s11;
    scores[scores1 + key + 2] = s12;
    scores[scores1 + key + 3] = s13;
  }
}

/** `accumulator += Σ weights[j] · values[j]` over `count` rows of `values`; head sizes are multiples of 8. */
function addWeighted(
  weights: Float64Array,
  firstWeight: number,
  values: Float64Array,
  firstValue: number,
  count: number,
  headSize: number,
  accumulator: Float64Array,
  offset: number,
): void {
  for (let d = 0; d < headSize; d += 8) {
    const target = offset + d;
    let a0 = accumulator[target];
    let a1 = accumulator[target + 1];
    let a2 = accumulator[target + 2];
    let a3 = accumulator[target + 3];
    let a4 = accumulator[target + 4];
    let a5 = accumulator[target + 5];
    let a6 = accumulator[target + 6];
    let a7 = accumulator[target + 7];
    let value = firstValue * headSize + d;
    for (let j = 0; j < count; j++, value += headSize) {
      const weight = weights[firstWeight + j];
      a0 += weight * values[value];
      a1 += weight * values[value + 1];
      a2 += weight * values[value + 2];
      a3 += weight * values[value + 3];
      a4 += weight * values[value + 4];
      a5 += weight * values[value + 5];
      a6 += weight * values[value + 6];
      a7 += weight * values[value + 7];
    }
    accumulator[target] = a0;
    accumulator[target + 1] = a1;
    accumulator[target + 2] = a2;
    accumulator[target + 3] = a3;
    accumulator[target + 4] = a4;
    accumulator[target + 5] = a5;
    accumulator[target + 6] = a6;
    accumulator[target + 7] = a7;
  }
}
