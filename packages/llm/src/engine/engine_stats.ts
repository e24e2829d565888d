/** Counts and rates of an {@link Engine} since it was made. */
export interface EngineStats {
  /** Requests by where they stand. */
  requests: {
    waiting: number;
    running: number;
    /** Ended by a stop token, a stop string or their most tokens. */
    finished: number;
    aborted: number;
    /** Rejected by a failing step, by logits that cannot be sampled, or by the engine's disposal. */
    failed: number;
  };
  /** Steps of the model. */
  steps: number;
  /** Prompt tokens of the requests admitted so far. */
  promptTokens: number;
  /** Those that the prefix cache had, so that they were not computed. */
  cachedPromptTokens: number;
  /** Tokens generated. */
  generatedTokens: number;
  /** Generated tokens per second of steps; time without requests does not count. */
  tokensPerSecond: number;
  /** Milliseconds from a call to its first token, over the requests that have one; 0 without any. */
  timeToFirstTokenMs: { mean: number; max: number };
  /** Times a request lost its blocks and was computed anew. */
  preemptions: number;
  /** The paged cache. */
  cache: {
    /** Tokens per block. */
    blockSize: number;
    totalBlocks: number;
    /** Blocks that requests hold now. */
    usedBlocks: number;
    /** Most blocks that requests held at the same time. */
    peakUsedBlocks: number;
    /** Blocks that no request holds and that are kept for prefix hits. */
    cachedBlocks: number;
    /** Bytes of one block over all layers, in the cache's storage type. */
    blockBytes: number;
    /** Bytes of the whole cache. */
    totalBytes: number;
    /** What set `totalBlocks`: the option `numBlocks`, `maxSequences` full contexts, or the memory that there was. */
    chosenBy: 'numBlocks' | 'maxSequences' | 'memory';
    /** Bytes that the cache could take; `undefined` if `numBlocks` was given. */
    availableBytes: number | undefined;
  };
}

/** What an engine counts while it runs. */
export class EngineCounters {
  finished = 0;
  aborted = 0;
  failed = 0;
  steps = 0;
  stepMs = 0;
  generatedTokens = 0;
  peakUsedBlocks = 0;
  #firstTokens = 0;
  #firstTokenMs = 0;
  #slowestFirstTokenMs = 0;

  /** Counts a request's first token. */
  firstToken(ms: number): void {
    this.#firstTokens++;
    this.#firstTokenMs += ms;
    this.#slowestFirstTokenMs = Math.max(this.#slowestFirstTokenMs, ms);
  }

  get timeToFirstTokenMs(): EngineStats['timeToFirstTokenMs'] {
    return { mean: this.#firstTokenMs / Math.max(1, this.#firstTokens), max: this.#slowestFirstTokenMs };
  }

  get tokensPerSecond(): number {
    return this.stepMs === 0 ? 0 : (1000 * this.generatedTokens) / this.stepMs;
  }
}
