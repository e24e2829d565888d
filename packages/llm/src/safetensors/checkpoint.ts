import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Checks } from '@attention-js/core';
import { parseJson } from '../parse_json.ts';
import { summarize } from '../summarize.ts';
import type { TensorEntry } from './header.ts';
import { SafetensorsFile } from './safetensors_file.ts';

const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

const checks = new Checks('loadModel');

/** The tensors of a Hugging Face folder, whether they are in one safetensors file or in several. */
export class Checkpoint {
  /** Bytes of all tensors. */
  readonly byteLength: number;
  readonly #files: readonly SafetensorsFile[];
  readonly #owners = new Map<string, SafetensorsFile>();

  private constructor(files: readonly SafetensorsFile[]) {
    const entries = files.flatMap((file) => [...file.entries.values()]);
    this.byteLength = entries.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.#files = files;
    for (const file of files) {
      for (const name of file.entries.keys()) {
        const other = this.#owners.get(name);
        const argument = `${file.name}: tensor ${summarize(name)}`;
        checks.expect(!other, 'ERR_RANGE', argument, 'it in one file', `another in ${other?.name}`);
        this.#owners.set(name, file);
      }
    }
  }

  /**
   * Opens `model.safetensors`, or where there is none the files that `model.safetensors.index.json` names.
   *
   * @throws AttentionError `ERR_RANGE` when a file is missing or the index does not match the files, and as
   * {@link SafetensorsFile.open} does.
   */
  static async open(directory: string): Promise<Checkpoint> {
    const weightMap = await readIndex(directory);
    const names = weightMap ? [...new Set(weightMap.values())].toSorted() : [SINGLE_FILE];
    const files: SafetensorsFile[] = [];
    try {
      for (const name of names) {
        const path = join(directory, name);
        checks.expect(await isFile(path), 'ERR_RANGE', directory, `a file ${name}`, 'none');
        files.push(await SafetensorsFile.open(path));
      }
      const checkpoint = new Checkpoint(files);
      for (const [tensor, file] of weightMap ?? []) {
        const found = checkpoint.#owners.get(tensor)?.name;
        const argument = `${INDEX_FILE}: tensor ${summarize(tensor)}`;
        checks.expect(
          found === file,
          'ERR_RANGE',
          argument,
          `it in ${file}`,
          found ? `it in ${found}` : 'none',
        );
      }
      return checkpoint;
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  /** Names of all tensors. */
  get names(): Iterable<string> {
    return this.#owners.keys();
  }

  /** What the header says about a tensor; `undefined` where there is none of that name. */
  entry(name: string): TensorEntry | undefined {
    return this.#owners.get(name)?.entries.get(name);
  }

  /** Reads a tensor that exists into `target`, which has its length. */
  async read(name: string, target: Uint8Array): Promise<void> {
    const file = this.#owners.get(name) as SafetensorsFile;
    await file.read(file.entries.get(name) as TensorEntry, target);
  }

  /** Closes the files. */
  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }
}

/** File by tensor name, or `undefined` where the folder has a single file, or no index. */
async function readIndex(directory: string): Promise<Map<string, string> | undefined> {
  const path = join(directory, INDEX_FILE);
  if ((await isFile(join(directory, SINGLE_FILE))) || !(await isFile(path))) return undefined;
  const index = parseJson(await readFile(path, 'utf8'), INDEX_FILE) as { weight_map?: unknown } | null;
  const weightMap = index?.weight_map;
  const valid = typeof weightMap === 'object' && weightMap !== null && !Array.isArray(weightMap);
  checks.expect(valid, 'ERR_DTYPE', `${INDEX_FILE}: weight_map`, 'an object', summarize(weightMap));
  const entries = Object.entries(weightMap as object);
  for (const [tensor, file] of entries) {
    const inside = typeof file === 'string' && file === basename(file) && file.endsWith('.safetensors');
    const argument = `${INDEX_FILE}: tensor ${summarize(tensor)}`;
    checks.expect(
      inside,
      'ERR_RANGE',
      argument,
      'the name of a safetensors file in the folder',
      summarize(file),
    );
  }
  return new Map(entries as [string, string][]);
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
