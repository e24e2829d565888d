import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename } from 'node:path';
import { AttentionError, Checks } from '@attention-js/core';
import { GIT_LFS_HINT, isGitLfsPointer } from '../git_lfs.ts';
import { checkRegularFile } from '../read_optional_text.ts';
import { parseHeader } from './header.ts';
import type { TensorEntry } from './header.ts';

const LENGTH_BYTES = 8;
/** Enough to recognize a Git LFS pointer. */
const BEGINNING_BYTES = 64;
/** Larger headers are rejected, as in the format's reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
/** Bytes per read; Node reads at most 2 GiB at once. */
const READ_BYTES = 64 * 2 ** 20;

const checks = new Checks('loadModel');

/** A safetensors file that is read range by range: opening it reads only the header. */
export class SafetensorsFile {
  /** Name of the file, without its folder. */
  readonly name: string;
  /** The file's tensors by name. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly #handle: FileHandle;

  private constructor(name: string, entries: ReadonlyMap<string, TensorEntry>, handle: FileHandle) {
    this.name = name;
    this.entries = entries;
    this.#handle = handle;
  }

  /**
   * Opens a file and checks its header.
   *
   * @throws AttentionError as {@link parseHeader} does, and `ERR_RANGE` when the file ends before its header does.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const name = basename(path);
    checkRegularFile(await stat(path), name); // opening a pipe would wait for its other end
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      checks.expect(size >= LENGTH_BYTES, 'ERR_RANGE', name, `at least ${LENGTH_BYTES} bytes`, size);
      const beginning = await readExactly(handle, name, 0, Math.min(size, BEGINNING_BYTES));
      const isPointer = isGitLfsPointer(beginning.toString('latin1'));
      checks.expect(!isPointer, 'ERR_RANGE', name, 'a safetensors file', GIT_LFS_HINT);
      const length = Number(beginning.readBigUInt64LE());
      const maxLength = Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES);
      checks.expect(
        length <= maxLength,
        'ERR_RANGE',
        `${name}: header length`,
        `at most ${maxLength} bytes`,
        length,
      );
      const header = await readExactly(handle, name, LENGTH_BYTES, length);
      const entries = parseHeader(decodeUtf8(header, name), LENGTH_BYTES + length, size, name);
      return new SafetensorsFile(name, entries, handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Reads a tensor's bytes into `target`: all of them or, from byte `begin` on, as many as fit. */
  async read(entry: TensorEntry, target: Uint8Array, begin = 0): Promise<void> {
    await readInto(this.#handle, this.name, entry.position + begin, target);
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function readExactly(
  handle: FileHandle,
  name: string,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await readInto(handle, name, position, bytes);
  return bytes;
}

async function readInto(
  handle: FileHandle,
  name: string,
  position: number,
  target: Uint8Array,
): Promise<void> {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(READ_BYTES, target.length - done);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    checks.expect(
      bytesRead > 0,
      'ERR_RANGE',
      name,
      `${position + target.length} bytes`,
      `${position + done} bytes`,
    );
    done += bytesRead;
  }
}

function decodeUtf8(bytes: Uint8Array, name: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const message = `[loadModel] ${name}: header: expected UTF-8, received other bytes`;
    throw new AttentionError('ERR_DTYPE', message, { cause });
  }
}
