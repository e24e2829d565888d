import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AttentionError, Checks } from '@attention-js/core';

const checks = new Checks('loadModel');

/** Size limits, larger than any real file of the kind. */
const MAX_BYTES = {
  'tokenizer.json': 256 * 2 ** 20,
  'model.safetensors.index.json': 64 * 2 ** 20,
} as Readonly<Record<string, number>>;
const DEFAULT_MAX_BYTES = 16 * 2 ** 20;

/**
 * Reads an optional file of a model folder. Returns `undefined` if it does not exist.
 *
 * @throws AttentionError `ERR_RANGE` when it is there and cannot be read, is no ordinary file (a pipe would never end), or
 * is larger than any real one.
 */
export async function readOptionalText(directory: string, file: string): Promise<string | undefined> {
  const path = join(directory, file);
  try {
    const found = await stat(path);
    checkRegularFile(found, file);
    const maxBytes = MAX_BYTES[file] ?? DEFAULT_MAX_BYTES;
    checks.expect(found.size <= maxBytes, 'ERR_RANGE', file, `at most ${maxBytes} bytes`, found.size);
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

/** Checks that a path is a regular file: opening a pipe or a device may never end. */
export function checkRegularFile(found: { isFile(): boolean; isDirectory(): boolean }, file: string): void {
  const received = found.isDirectory() ? 'a folder' : 'a pipe or a device';
  checks.expect(found.isFile(), 'ERR_RANGE', file, 'a file that can be read', received);
}
