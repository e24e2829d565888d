import { castStorage, Checks, tensorFromStorage } from '@attention-js/core';
import type { StorageType } from '@attention-js/core';
import { keep, tidy } from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Checkpoint } from '../safetensors/checkpoint.ts';
import type { TensorEntry } from '../safetensors/header.ts';

/** A tensor of the checkpoint, and the shape it must have. */
export interface WeightSource {
  readonly name: string;
  readonly shape: readonly number[];
}

/** How {@link Weights.load} makes a tensor out of its sources. */
export interface LoadOptions {
  /** Storage type of the tensor; the model's by default. */
  storage?: StorageType;
  /** Picks the tensor's bytes out of those of its sources; all of them by default. */
  select?: (bytes: Uint8Array) => Uint8Array;
}

const STORAGE_OF_DTYPE: Readonly<Record<string, StorageType>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

const checks = new Checks('loadModel');

/** The storage type in which a tensor of a checkpoint is stored. */
export function fileStorage(name: string, entry: TensorEntry): StorageType {
  const { dtype } = entry;
  const known = Object.hasOwn(STORAGE_OF_DTYPE, dtype);
  const expected = `one of ${Object.keys(STORAGE_OF_DTYPE).join(', ')}`;
  checks.expect(known, 'ERR_UNSUPPORTED', `tensor ${JSON.stringify(name)}`, expected, dtype);
  return STORAGE_OF_DTYPE[dtype];
}

/**
 * Makes a model's tensors out of a checkpoint, and owns them. Several tensors of the checkpoint become one by reading
 * each straight to its place.
 */
export class Weights {
  readonly storage: StorageType;
  readonly #checkpoint: Checkpoint;
  readonly #onProgress: (fraction: number) => void;
  readonly #used = new Set<string>();
  readonly #tensors: Tensor[] = [];
  #bytesRead = 0;

  constructor(checkpoint: Checkpoint, storage: StorageType, onProgress: (fraction: number) => void) {
    this.#checkpoint = checkpoint;
    this.storage = storage;
    this.#onProgress = onProgress;
  }

  /**
   * Loads sources, one after another, as one tensor.
   *
   * @param shape Shape of the tensor, which the sources fill, or what `select` takes of them.
   * @throws AttentionError `ERR_RANGE` for a tensor that is not there, `ERR_SHAPE` for one of another shape, `ERR_DTYPE`
   * for sources of different dtypes, `ERR_UNSUPPORTED` for a dtype that is not F32, F16 or BF16.
   */
  async load(
    shape: number[],
    sources: readonly WeightSource[],
    { storage = this.storage, select = (bytes) => bytes }: LoadOptions = {},
  ): Promise<Tensor> {
    const entries = sources.map((source) => this.#find(source));
    const stored = fileStorage(sources[0].name, entries[0]);
    sources.forEach(({ name }, i) => {
      const argument = `tensor ${JSON.stringify(name)}`;
      const expected = `${entries[0].dtype} to match ${JSON.stringify(sources[0].name)}`;
      checks.expect(entries[i].dtype === entries[0].dtype, 'ERR_DTYPE', argument, expected, entries[i].dtype);
    });

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

  /** Takes over a tensor: it survives `tf.tidy` and is disposed with the others. */
  keep<T extends Tensor>(tensor: T): T {
    this.#tensors.push(keep(tensor));
    return tensor;
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
    this.#onProgress(1);
  }

  /** Frees every tensor. */
  dispose(): void {
    for (const tensor of this.#tensors.splice(0)) tensor.dispose();
  }

  #find({ name, shape }: WeightSource): TensorEntry {
    const entry = this.#checkpoint.entry(name);
    checks.expect(entry !== undefined, 'ERR_RANGE', 'checkpoint', `a tensor ${JSON.stringify(name)}`, 'none');
    const found = entry as TensorEntry;
    const fits = found.shape.length === shape.length && found.shape.every((size, i) => size === shape[i]);
    const argument = `tensor ${JSON.stringify(name)}`;
    checks.expect(fits, 'ERR_SHAPE', argument, `shape [${shape.join(', ')}]`, found.shape);
    return found;
  }
}
