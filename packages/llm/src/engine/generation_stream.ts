/** Why a generation ended: a stop token or string, the most tokens it may have, or its abortion. */
export type FinishReason = 'stop' | 'length' | 'abort';

/** What a generation came to. */
export interface GenerationResult {
  /** The text, without what stopped it; empty where the engine has no tokenizer. */
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
  /** Milliseconds from the call to the first token; `undefined` where none was generated. */
  timeToFirstTokenMs: number | undefined;
  /** Milliseconds from the call to the end. */
  totalMs: number;
}

/**
 * The text of one generation as it comes: `for await (const piece of stream)`. Leaving the loop aborts the generation.
 * It may be iterated once; {@link GenerationStream.result | `result`} comes either way.
 */
export class GenerationStream implements AsyncIterable<string> {
  /** What it came to; rejects with the error of a failed step. */
  readonly result: Promise<GenerationResult>;

  readonly #abort: () => void;
  readonly #settle: PromiseSettlers<GenerationResult>;
  readonly #pieces: string[] = [];
  #ended = false;
  #error: unknown;
  #wake = (): void => {};

  /** @param abort Called when the reader wants no more; it ends the stream. */
  constructor(abort: () => void) {
    this.#abort = abort;
    const { promise, ...settle } = settlers<GenerationResult>();
    this.result = promise;
    this.#settle = settle;
    promise.catch(() => {}); // whoever only iterates gets the error from the iteration
  }

  /** Ends the generation now; its result then has finish reason `abort`. Does nothing once it has ended. */
  abort(): void {
    this.#abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) yield piece;
        else if (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
        else if (this.#error !== undefined) throw this.#error;
        else return;
      }
    } finally {
      this.#abort();
    }
  }

  /** @internal */
  push(piece: string): void {
    this.#pieces.push(piece);
    this.#wake();
  }

  /** @internal */
  end(result: GenerationResult): void {
    this.#ended = true;
    this.#settle.resolve(result);
    this.#wake();
  }

  /** @internal */
  fail(error: unknown): void {
    this.#ended = true;
    this.#error = error;
    this.#settle.reject(error);
    this.#wake();
  }
}

interface PromiseSettlers<T> {
  resolve(value: T): void;
  reject(reason: unknown): void;
}

function settlers<T>(): PromiseSettlers<T> & { promise: Promise<T> } {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
