/** Why a generation ended: a stop token or string, the most tokens it may have, or its abortion. */
export type FinishReason = 'stop' | 'length' | 'abort';

/** What a generation came to. */
export interface GenerationResult {
  /** The text, without what stopped it; empty if the engine has no tokenizer. */
  text: string;
  /** The generated tokens, the one that stopped the generation included. */
  tokenIds: number[];
  /** Why it ended. */
  finishReason: FinishReason;
  /** Tokens of the prompt. */
  promptTokens: number;
  /** Tokens of the prompt whose keys and values were found in the prefix cache. */
  cachedTokens: number;
  /** Times the request lost its blocks to others and was computed anew. */
  preemptions: number;
  /** The seed it was sampled with. */
  seed: number;
  /** Milliseconds from the call to the first token; `undefined` if none was generated. */
  timeToFirstTokenMs: number | undefined;
  /** Milliseconds from the call to the end. */
  totalMs: number;
}

/**
 * The text of one generation as it comes: `for await (const piece of stream)`. Leaving the loop aborts the generation.
 * It may be read once: a second loop throws `ERR_UNSUPPORTED`. `result` settles whether it is read or not.
 */
export interface GenerationStream extends AsyncIterable<string> {
  /** What the generation came to; rejects with the error of a failed step, as the loop does. */
  readonly result: Promise<GenerationResult>;
  /** Ends the generation now, with finish reason `abort`. Does nothing once it has ended. */
  abort(): void;
}
