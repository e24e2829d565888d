import { AttentionError } from '@attention-js/core';
import type { GenerationResult, GenerationStream } from './generation_stream.ts';

/** A {@link GenerationStream} with the end that a request writes to. */
export class PieceStream implements GenerationStream {
  readonly result: Promise<GenerationResult>;

  readonly #abort: () => void;
  readonly #settle: PromiseSettlers<GenerationResult>;
  readonly #pieces: string[] = [];
  /** Calls of `next` that wait for a piece, in their order. */
  readonly #waiting: (() => void)[] = [];
  #hasReader = false;
  #ended = false;
  #error: unknown;

  /** @param abort Called when the reader wants no more. */
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

  [Symbol.asyncIterator](): AsyncIterableIterator<string, undefined> {
    if (this.#hasReader) {
      const message =
        '[GenerationStream] expected one reader, received a second; await result for the whole text';
      throw new AttentionError('ERR_UNSUPPORTED', message);
    }
    this.#hasReader = true;
    // Not an async generator: its `return` would wait for a `next` that is pending.
    const reader: AsyncIterableIterator<string, undefined> = {
      next: () => this.#next(),
      return: async () => {
        this.#leave();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => reader,
    };
    return reader;
  }

  async #next(): Promise<IteratorResult<string, undefined>> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) return { done: false, value: piece };
      if (this.#ended) break;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const error = this.#error;
    this.#error = undefined; // it comes once
    if (error !== undefined) throw error;
    return { done: true, value: undefined };
  }

  /** Ends the generation for its reader, whatever comes yet. */
  #leave(): void {
    this.#ended = true;
    this.#error = undefined;
    this.#pieces.length = 0;
    this.#abort();
    this.#wake();
  }

  /** Hands out text. */
  push(piece: string): void {
    if (this.#ended) return;
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
    if (!this.#ended) this.#error = error;
    this.#ended = true;
    this.#settle.reject(error);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
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
