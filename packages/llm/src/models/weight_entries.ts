import { Checks } from '@attention-js/core';
import type { ElementStorage } from '@attention-js/core';
import type { Checkpoint } from '../safetensors/checkpoint.ts';
import type { TensorEntry } from '../safetensors/header.ts';

/** A tensor of the checkpoint, and the shape it must have. */
export interface WeightSource {
  readonly name: string;
  readonly shape: readonly number[];
}

const STORAGE_OF_DTYPE: Readonly<Record<string, ElementStorage>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

const checks = new Checks('loadModel');

/** The storage type in which a tensor of a checkpoint is stored. */
export function fileStorage(name: string, entry: TensorEntry): ElementStorage {
  const { dtype } = entry;
  const known = Object.hasOwn(STORAGE_OF_DTYPE, dtype);
  const expected = `one of ${Object.keys(STORAGE_OF_DTYPE).join(', ')}`;
  checks.expect(known, 'ERR_UNSUPPORTED', `tensor ${JSON.stringify(name)}`, expected, dtype);
  return STORAGE_OF_DTYPE[dtype];
}

/** What the checkpoint says of the sources of one tensor, which must be there, have their shapes, and one dtype. */
export function sourceEntries(checkpoint: Checkpoint, sources: readonly WeightSource[]): TensorEntry[] {
  const entries = sources.map((source) => findSource(checkpoint, source));
  fileStorage(sources[0].name, entries[0]);
  sources.forEach(({ name }, i) => {
    const argument = `tensor ${JSON.stringify(name)}`;
    const expected = `${entries[0].dtype} to match ${JSON.stringify(sources[0].name)}`;
    checks.expect(entries[i].dtype === entries[0].dtype, 'ERR_DTYPE', argument, expected, entries[i].dtype);
  });
  return entries;
}

function findSource(checkpoint: Checkpoint, { name, shape }: WeightSource): TensorEntry {
  const entry = checkpoint.entry(name);
  checks.expect(entry !== undefined, 'ERR_RANGE', 'checkpoint', `a tensor ${JSON.stringify(name)}`, 'none');
  const found = entry as TensorEntry;
  const fits = found.shape.length === shape.length && found.shape.every((size, i) => size === shape[i]);
  const argument = `tensor ${JSON.stringify(name)}`;
  checks.expect(fits, 'ERR_SHAPE', argument, `shape [${shape.join(', ')}]`, found.shape);
  return found;
}
