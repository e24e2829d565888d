/**
 * Attention as the specification defines it, one score at a time in float64, without tiles, blocks or online softmax.
 * Shares no code with the kernels.
 */
export interface OracleSequence {
  /** `[queries][heads][headSize]`. */
  query: number[][][];
  /** `[keys][kvHeads][headSize]`. */
  key: number[][][];
  /** `[keys][kvHeads][headSize]`. */
  value: number[][][];
}

/** The options of the attention ops, as plain numbers. */
export interface OracleOptions {
  scale?: number;
  causal?: boolean;
  softcap?: number;
  slidingWindow?: number;
  alibiSlopes?: number[];
  sinks?: number[];
  /** Added to the score of (head, query, key). */
  mask?: (head: number, query: number, key: number) => number;
}

/** Computes one sequence's output `[queries][heads][headSize]` and log-sum-exp `[queries][heads]`. */
export function attentionOracle(
  { query, key, value }: OracleSequence,
  options: OracleOptions = {},
): { output: number[][][]; lse: number[][] } {
  const { causal = true, softcap, slidingWindow, alibiSlopes, sinks, mask } = options;
  const output: number[][][] = [];
  const lse: number[][] = [];
  query.forEach((heads, i) => {
    const position = key.length - query.length + i;
    output.push([]);
    lse.push([]);
    heads.forEach((q, head) => {
      const group = heads.length / (key[0]?.length ?? 1);
      const kvHead = Math.floor(head / group);
      const scale = options.scale ?? 1 / Math.sqrt(q.length);
      const scores = new Map<number, number>();
      for (let j = 0; j < key.length; j++) {
        if (causal && j > position) continue;
        if (slidingWindow !== undefined && j < position + 1 - slidingWindow) continue;
        let score = scale * q.reduce((sum, x, d) => sum + x * key[j][kvHead][d], 0);
        if (softcap) score = softcap * Math.tanh(score / softcap);
        if (alibiSlopes) score += alibiSlopes[head] * (j - position);
        if (mask) score += mask(head, i, j);
        if (score !== Number.NEGATIVE_INFINITY) scores.set(j, score);
      }
      const all = [...scores.values()];
      if (all.length === 0) {
        output[i].push(q.map(() => 0));
        lse[i].push(Number.NEGATIVE_INFINITY);
        return;
      }
      const terms = sinks ? [...all, sinks[head]] : all;
      const maximum = Math.max(...terms);
      const denominator = terms.reduce((sum, score) => sum + Math.exp(score - maximum), 0);
      const row = q.map(() => 0);
      for (const [j, score] of scores) {
        const weight = Math.exp(score - maximum) / denominator;
        value[j][kvHead].forEach((v, d) => (row[d] += weight * v));
      }
      output[i].push(row);
      lse[i].push(maximum + Math.log(denominator));
    });
  });
  return { output, lse };
}
