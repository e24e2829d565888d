import { castStorage, Checks, tensorFromStorage } from '@attention-js/core';
import type { ElementStorage } from '@attention-js/core';
import { keep, tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { Checkpoint } from '../safetensors/checkpoint.ts';
import { computeTable } from './compute_table.ts';
import type { FillRows } from './compute_table.ts';
import { fileStorage, sourceEntries } from './weight_entries.ts';
import type { WeightSource } from './weight_entries.ts';

/** How {@link WeightLoader.load} makes a tensor out of its sources. */
export interface LoadOptions {
  /** Storage type of the tensor; the model's by default. */
  storage?: ElementStorage;
  /** Picks the tensor's bytes out of those of its sources; all of them by default. */
  select?: (bytes: Uint8Array) => Uint8Array;
}

/** What a model takes its tensors from. */
export interface WeightLoader {
  /** The model's storage type. */
  readonly storage: ElementStorage;
  /**
   * Loads sources, one after another, as one tensor.
   *
   * @param shape Shape of the tensor, which the sources fill, or what `select` takes of them.
   * @throws AttentionError `ERR_RANGE` for a tensor that is not there, `ERR_SHAPE` for one of another shape, `ERR_DTYPE`
   * for sources of different dtypes, `ERR_UNSUPPORTED` for a dtype that is not F32, F16 or BF16.
   */
  load(shape: number[], sources: readonly WeightSource[], options?: LoadOptions): Promise<Tensor>;
  /** Makes a table that is computed, see `computeTable`. */
  table(shape: [rows: number, columns: number], fill: FillRows): Promise<Tensor2D>;
  /** Takes over a tensor: it survives `tf.tidy` and is disposed with the others. */
  keep<T extends Tensor>(tensor: T): T;
  /** Whether the checkpoint has a tensor. */
  has(name: string): boolean;
  /** Whether two tensors of the checkpoint have the same bytes. */
  areEqual(name: string, other: string): Promise<boolean>;
  /** Frees every tensor. */
  dispose(): void;
}

const COMPARED_BYTES = 16 * 2 ** 20;

const checks = new Checks('loadModel');

/**
 * Makes a model's tensors out of a checkpoint, and owns them. Several tensors of the checkpoint become one by reading
 * each straight to its place.
 */
export class Weights implements WeightLoader {
  readonly storage: ElementStorage;
  readonly #checkpoint: Checkpoint;
  readonly #onProgress: (fraction: number) => void;
  readonly #used = new Set<string>();
  readonly #tensors: Tensor[] = [];
  #bytesRead = 0;

  constructor(checkpoint: Checkpoint, storage: ElementStorage, onProgress: (fraction: number) => void) {
    this.#checkpoint = checkpoint;
    this.storage = storage;
    this.#onProgress = onProgress;
  }

  async load(
    shape: number[],
    sources: readonly WeightSource[],
    { storage = this.storage, select = (bytes) => bytes }: LoadOptions = {},
  ): Promise<Tensor> {
    const entries = sourceEntries(this.#checkpoint, sources);
    const stored = fileStorage(sources[0].name, entries[0]);
    const bytes = new Uint8Array(entries.reduce((sum, { byteLength }) => sum + byteLength, 0));
    let begin = 0;
    for (const [i, { byteLength }] of entries.entries()) {
      await this.#checkpoint.read(sources[i].name, bytes.subarray(begin, (begin += byteLength)));
      if (this.#used.has(sources[i].name)) continue; // several tensors may be parts of one source
      this.#used.add(sources[i].name);
      this.#bytesRead += byteLength;
      this.#onProgress(this.#bytesRead / this.#checkpoint.byteLength);
    }
    return this.keep(
      tidy(() => {
        const tensor = tensorFromStorage(select(bytes), shape, stored);
        return stored === storage ? tensor : castStorage(tensor, storage);
      }),
    );
  }

  async table(shape: [number, number], fill: FillRows): Promise<Tensor2D> {
    return this.keep(tensor2d(await computeTable(shape, fill), shape));
  }

  keep<T extends Tensor>(tensor: T): T {
    this.#tensors.push(keep(tensor));
    return tensor;
  }

  has(name: string): boolean {
    return this.#checkpoint.entry(name) !== undefined;
  }

  async areEqual(name: string, other: string): Promise<boolean> {
    const [a, b] = [name, other].map((tensor) => this.#checkpoint.entry(tensor));
    if (!a || !b || a.dtype !== b.dtype || a.byteLength !== b.byteLength) return false;
    for (let begin = 0; begin < a.byteLength; begin += COMPARED_BYTES) {
      const length = Math.min(COMPARED_BYTES, a.byteLength - begin);
      const [left, right] = [Buffer.alloc(length), Buffer.alloc(length)];
      await this.#checkpoint.read(name, left, begin);
      await this.#checkpoint.read(other, right, begin);
      if (!left.equals(right)) return false;
    }
    return true;
  }

  /** Says that everything is loaded. */
  finish(): void {
    this.#onProgress(1);
  }

  dispose(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.dispose();
  }
}

/**
 * Goes through what a model would load, and loads nothing: what does not fit is found before the first weight is read.
 * A scalar stands for each tensor and each table.
 */
export class WeightCheck implements WeightLoader {
  readonly storage: ElementStorage;
  readonly #checkpoint: Checkpoint;
  readonly #used = new Set<string>();
  readonly #tensors: Tensor[] = [];
  readonly #standIn: Tensor;

  constructor(checkpoint: Checkpoint, storage: ElementStorage) {
    this.#checkpoint = checkpoint;
    this.storage = storage;
    this.#standIn = this.keep(tensor2d([0], [1, 1]));
  }

  load(_shape: number[], sources: readonly WeightSource[]): Promise<Tensor> {
    sourceEntries(this.#checkpoint, sources);
    for (const { name } of sources) this.#used.add(name);
    return Promise.resolve(this.#standIn);
  }

  table(): Promise<Tensor2D> {
    return Promise.resolve(this.#standIn as Tensor2D);
  }

  keep<T extends Tensor>(tensor: T): T {
    this.#tensors.push(keep(tensor));
    return tensor;
  }

  has(name: string): boolean {
    return this.#checkpoint.entry(name) !== undefined;
  }

  /** So that both are looked at. */
  areEqual(): Promise<boolean> {
    return Promise.resolve(false);
  }

  /**
   * Makes sure that nothing of the checkpoint was left out, since an unknown tensor means an unknown model.
   *
   * @param ignored Which names do not matter.
   * @throws AttentionError `ERR_UNSUPPORTED`.
   */
  finish(ignored: (name: string) => boolean): void {
    const left = [...this.#checkpoint.names].filter((name) => !this.#used.has(name) && !ignored(name));
    const received = `also ${left.slice(0, 3).join(', ')}${left.length > 3 ? `, … (${left.length})` : ''}`;
    checks.expect(left.length === 0, 'ERR_UNSUPPORTED', 'checkpoint', "only the model's tensors", received);
  }

  dispose(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.dispose();
  }
}
