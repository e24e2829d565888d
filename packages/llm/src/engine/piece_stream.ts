import { AttentionError } from '@attention-js/core';
import type { GenerationResult, GenerationStream } from './generation_stream.ts';

/** A {@link GenerationStream} with the end that a request writes to. */
export class PieceStream implements GenerationStream {
  readonly result: Promise<GenerationResult>;

  readonly #abort: () => void;
  readonly #settle: PromiseSettlers<GenerationResult>;
  readonly #pieces: string[] = [];
  #hasReader = false;
  #ended = false;
  #error: unknown;
  #wake = (): void => {};

  /** @param abort Called when the reader wants no more, or has read all. */
  constructor(abort: () => void) {
    this.#abort = abort;
    const { promise, ...settle } = settlers<GenerationResult>();
    this.result = promise;
    this.#settle = settle;
    promise.catch(() => {}); // whoever only reads gets the error from reading
  }

  abort(): void {
    this.#abort();
  }

  [Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    if (this.#hasReader) {
      const message =
        '[GenerationStream] expected one reader, received a second; await result for the whole text';
      throw new AttentionError('ERR_UNSUPPORTED', message);
    }
    this.#hasReader = true;
    return this.#read();
  }

  async *#read(): AsyncGenerator<string, void, undefined> {
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

  /** Hands out text. */
  push(piece: string): void {
    this.#pieces.push(piece);
    this.#wake();
  }

  /** Ends the text with a result. */
  end(result: GenerationResult): void {
    this.#ended = true;
    this.#settle.resolve(result);
    this.#wake();
  }

  /** Ends the text with an error, after the pieces that were handed out. */
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
