import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AttentionError, Checks } from '@attention-js/core';

const checks = new Checks('loadModel');

/** Bytes that no real file of its kind has. */
const MOST_BYTES = {
  'tokenizer.json': 256 * 2 ** 20,
  'model.safetensors.index.json': 64 * 2 ** 20,
} as Readonly<Record<string, number>>;
const MOST_BYTES_ELSE = 16 * 2 ** 20;

/**
 * Content of a file that a model folder may have; `undefined` where it has not.
 *
 * @throws AttentionError `ERR_RANGE` when it is there and cannot be read, is no ordinary file (a pipe would never end), or
 * is larger than any real one.
 */
export async function readOptionalText(directory: string, file: string): Promise<string | undefined> {
  const path = join(directory, file);
  try {
    const found = await stat(path);
    checkOrdinary(found, file);
    const most = MOST_BYTES[file] ?? MOST_BYTES_ELSE;
    checks.expect(found.size <= most, 'ERR_RANGE', file, `at most ${most} bytes`, found.size);
    const handle = await open(path, 'r');
    try {
      return await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof AttentionError) throw cause;
    const { code = '', message: received } = cause as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    const message = `[loadModel] ${file}: expected a file that can be read, received ${received}`;
    throw new AttentionError('ERR_RANGE', message, { cause });
  }
}

/** Checks that something is a file, and no folder, pipe or device: opening those may never end. */
export function checkOrdinary(found: { isFile(): boolean; isDirectory(): boolean }, file: string): void {
  const received = found.isDirectory() ? 'a folder' : 'a pipe or a device';
  checks.expect(found.isFile(), 'ERR_RANGE', file, 'a file that can be read', received);
}
