import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { AttentionError } from '@attention-js/core';

/** The worker's program: plain JavaScript, because it is not loaded as a module. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { Tokenizer } = require(workerData.library);
const { normalizer, pre_tokenizer: split, model } = new Tokenizer(workerData.file, {});
const steps = {
  normalize: (text) => (normalizer ? normalizer(text) : text),
  tokenize: ({ text, section }) => model(split ? split(text, { section_index: section }) : [text]),
};
parentPort.on('message', ({ id, step, inputs }) => {
  try {
    parentPort.postMessage({ id, outputs: inputs.map(steps[step]) });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error) });
  }
});`;

/** Milliseconds that one text may take: regular expressions of a file may be slow for some texts. */
const LIMIT_MS = 20_000;

/** Idle milliseconds after which the worker and its copy of the tokenizer are released. */
const IDLE_MS = 30_000;

interface Answer {
  id: number;
  outputs?: unknown[];
  error?: string;
}

interface Waiting {
  step: string;
  inputs: readonly unknown[];
  resolve: (outputs: unknown[]) => void;
  reject: (error: unknown) => void;
}

/** A text between added tokens. `section` is 0 if the whole text starts with it, else 1. */
export interface Piece {
  text: string;
  section: 0 | 1;
}

/**
 * Runs the slow steps of encoding in a worker thread with its own copy of the tokenizer, so that a long text does not
 * block the event loop. A text that takes longer than `limitMs` is rejected; those behind it go on in a new thread.
 */
export class EncodingWorker {
  readonly #file: object;
  readonly #limitMs: number;
  /** What the worker was given, in its order. */
  readonly #waiting = new Map<number, Waiting>();
  #limitTimer: NodeJS.Timeout | undefined;
  #worker: Worker | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #lastId = 0;

  /** @param file The tokenizer.json from which the library makes its steps. */
  constructor(file: object, limitMs = LIMIT_MS) {
    this.#file = file;
    this.#limitMs = limitMs;
  }

  /** Normalizes texts. */
  normalize(texts: readonly string[]): Promise<string[]> {
    return this.#run('normalize', texts) as Promise<string[]>;
  }

  /** The tokens of each piece. */
  tokenize(pieces: readonly Piece[]): Promise<string[][]> {
    return this.#run('tokenize', pieces) as Promise<string[][]>;
  }

  #run(step: string, inputs: readonly unknown[]): Promise<unknown[]> {
    clearTimeout(this.#idleTimer);
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { step, inputs, resolve, reject });
      this.#post(id, step, inputs);
      if (this.#waiting.size === 1) this.#watch();
    });
  }

  #post(id: number, step: string, inputs: readonly unknown[]): void {
    const worker = (this.#worker ??= this.#start());
    worker.ref(); // keeps the process alive while a result is awaited
    worker.postMessage({ id, step, inputs }, []);
  }

  /** Gives the text that the worker is at its time. */
  #watch(): void {
    clearTimeout(this.#limitTimer);
    if (this.#waiting.size > 0) this.#limitTimer = setTimeout(() => this.#skip(), this.#limitMs);
  }

  /** Rejects the text that the worker is at, and gives the others to a new worker. */
  #skip(): void {
    const [[id, { reject }]] = this.#waiting;
    this.#waiting.delete(id);
    reject(failure(`one that takes longer than ${this.#limitMs / 1000} s`));
    this.#release();
    for (const [next, { step, inputs }] of this.#waiting) this.#post(next, step, inputs);
    this.#watch();
  }

  /** Ends the worker, whose answers no longer count. */
  #release(): void {
    this.#worker?.removeAllListeners();
    void this.#worker?.terminate();
    this.#worker = undefined;
  }

  #start(): Worker {
    const library = createRequire(import.meta.url).resolve('@huggingface/tokenizers');
    const workerData = { library, file: this.#file };
    const worker = new Worker(SOURCE, { eval: true, workerData });
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (error) => this.#stop(error));
    return worker;
  }

  #settle({ id, outputs, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    this.#watch();
    if (outputs) waiting?.resolve(outputs);
    else waiting?.reject(failure(error));
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#idleTimer = setTimeout(() => this.#stop('idle'), IDLE_MS).unref();
  }

  #stop(reason: unknown): void {
    this.#release();
    clearTimeout(this.#limitTimer);
    for (const { reject } of this.#waiting.values()) reject(failure(reason));
    this.#waiting.clear();
  }
}

function failure(cause: unknown): AttentionError {
  const message = `[Tokenizer] text: expected one that can be encoded, received "${String(cause)}"`;
  return new AttentionError('ERR_RANGE', message, { cause });
}
