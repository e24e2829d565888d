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

/** Idle milliseconds after which the worker and its copy of the tokenizer are released. */
const IDLE_MS = 30_000;

interface Answer {
  id: number;
  outputs?: unknown[];
  error?: string;
}

interface Waiting {
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
 * block the event loop.
 */
export class EncodingWorker {
  readonly #file: object;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #lastId = 0;

  /** @param file The tokenizer.json from which the library makes its steps. */
  constructor(file: object) {
    this.#file = file;
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
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    worker.ref(); // keeps the process alive while a result is awaited
    worker.postMessage({ id, step, inputs }, []);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
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
    if (outputs) waiting?.resolve(outputs);
    else waiting?.reject(failure(error));
    if (this.#waiting.size > 0) return;
    this.#worker?.unref();
    this.#idleTimer = setTimeout(() => this.#stop('idle'), IDLE_MS).unref();
  }

  #stop(reason: unknown): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) reject(failure(reason));
    this.#waiting.clear();
  }
}

function failure(cause: unknown): AttentionError {
  const message = `[Tokenizer] text: expected one that can be encoded, received "${String(cause)}"`;
  return new AttentionError('ERR_RANGE', message, { cause });
}
