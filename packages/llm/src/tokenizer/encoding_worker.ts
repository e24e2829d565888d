import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { AttentionError } from '@attention-js/core';

/** What the worker runs: plain JavaScript, since it is not loaded as a module. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { Tokenizer } = require(workerData.library);
const tokenizer = new Tokenizer(workerData.tokenizer, workerData.config);
parentPort.on('message', ({ id, text, addSpecialTokens }) => {
  try {
    parentPort.postMessage({ id, ids: tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids });
  } catch (error) {
    parentPort.postMessage({ id, error: String(error) });
  }
});`;

/** Milliseconds without work after which the worker, and its copy of the tokenizer, is given up. */
const IDLE_MS = 30_000;

interface Answer {
  id: number;
  ids?: number[];
  error?: string;
}

interface Waiting {
  resolve: (ids: number[]) => void;
  reject: (error: unknown) => void;
}

/** Encodes texts in a thread of its own, with a copy of the tokenizer, so that a long one holds nobody up. */
export class EncodingWorker {
  readonly #tokenizer: object;
  readonly #config: object;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #lastId = 0;

  /**
   * @param tokenizer Content of tokenizer.json.
   * @param config Content of tokenizer_config.json.
   */
  constructor(tokenizer: object, config: object) {
    this.#tokenizer = tokenizer;
    this.#config = config;
  }

  /** Token ids of a text, as the library's `encode` gives them. */
  encode(text: string, addSpecialTokens: boolean): Promise<number[]> {
    clearTimeout(this.#idleTimer);
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    worker.ref(); // the process stays as long as somebody waits
    worker.postMessage({ id, text, addSpecialTokens }, []);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  #start(): Worker {
    const library = createRequire(import.meta.url).resolve('@huggingface/tokenizers');
    const workerData = { library, tokenizer: this.#tokenizer, config: this.#config };
    const worker = new Worker(SOURCE, { eval: true, workerData });
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (error) => this.#stop(error));
    return worker;
  }

  #settle({ id, ids, error }: Answer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (ids) waiting?.resolve(ids);
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
