import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Checks } from '@attention-js/core';
import { parseJson } from '../parse_json.ts';
import { readOptionalText } from '../read_optional_text.ts';
import { summarize } from '../summarize.ts';
import type { TensorEntry } from './header.ts';
import { SafetensorsFile } from './safetensors_file.ts';

const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

const checks = new Checks('loadModel');

/** The tensors of a Hugging Face folder, in one safetensors file or several. */
export class Checkpoint {
  /** Total bytes of all tensors. */
  readonly byteLength: number;
  readonly #files: readonly SafetensorsFile[];
  readonly #owners: ReadonlyMap<string, SafetensorsFile>;

  private constructor(files: readonly SafetensorsFile[], owners: ReadonlyMap<string, SafetensorsFile>) {
    this.#files = files;
    this.#owners = owners;
    let byteLength = 0;
    for (const [name, file] of owners) byteLength += file.entries.get(name)?.byteLength ?? 0;
    this.byteLength = byteLength;
  }

  /**
   * Opens `model.safetensors` or, if there is none, the files that `model.safetensors.index.json` lists. Tensors that
   * the index does not list are ignored.
   *
   * @throws AttentionError `ERR_RANGE` when a file is missing or the index does not match the files, and as
   * {@link SafetensorsFile.open} does.
   */
  static async open(directory: string): Promise<Checkpoint> {
    const weightMap = await readIndex(directory);
    const names = weightMap ? [...new Set(weightMap.values())].toSorted() : [SINGLE_FILE];
    const files = new Map<string, SafetensorsFile>();
    try {
      for (const name of names) {
        const path = join(directory, name);
        checks.expect(await exists(path), 'ERR_RANGE', directory, `a file ${name}`, 'none');
        files.set(name, await SafetensorsFile.open(path));
      }
      const owners = weightMap ? ownersByIndex(weightMap, files) : ownersInOrder([...files.values()]);
      return new Checkpoint([...files.values()], owners);
    } catch (error) {
      await Promise.all([...files.values()].map((file) => file.close()));
      throw error;
    }
  }

  /** Names of all tensors. */
  get names(): Iterable<string> {
    return this.#owners.keys();
  }

  /** The header's entry for a tensor, or `undefined` if there is no such tensor. */
  entry(name: string): TensorEntry | undefined {
    return this.#owners.get(name)?.entries.get(name);
  }

  /** Reads an existing tensor into `target`: all of it or, from byte `begin` on, as much as fits. */
  async read(name: string, target: Uint8Array, begin = 0): Promise<void> {
    const file = this.#owners.get(name) as SafetensorsFile;
    await file.read(file.entries.get(name) as TensorEntry, target, begin);
  }

  /** Closes the files. */
  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }
}

function ownersInOrder(files: readonly SafetensorsFile[]): Map<string, SafetensorsFile> {
  return new Map(files.flatMap((file) => [...file.entries.keys()].map((name) => [name, file] as const)));
}

function ownersByIndex(
  weightMap: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, SafetensorsFile>,
): Map<string, SafetensorsFile> {
  const owners = new Map<string, SafetensorsFile>();
  for (const [tensor, name] of weightMap) {
    const file = files.get(name) as SafetensorsFile;
    const argument = `${INDEX_FILE}: tensor ${summarize(tensor)}`;
    const elsewhere = [...files.values()].find(({ entries }) => entries.has(tensor))?.name;
    const received = elsewhere === undefined ? 'none' : `it in ${elsewhere}`;
    checks.expect(file.entries.has(tensor), 'ERR_RANGE', argument, `it in ${name}`, received);
    owners.set(tensor, file);
  }
  return owners;
}

/** Maps tensor names to file names; `undefined` if the folder has a single file or no index. */
async function readIndex(directory: string): Promise<Map<string, string> | undefined> {
  const hasSingleFile = await exists(join(directory, SINGLE_FILE));
  const text = hasSingleFile ? undefined : await readOptionalText(directory, INDEX_FILE);
  if (text === undefined) return undefined;
  const index = parseJson(text, INDEX_FILE) as { weight_map?: unknown } | null;
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

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
