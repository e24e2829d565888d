import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AttentionError } from '@attention-js/core';

/**
 * Content of a file that a model folder may have; `undefined` where it has not.
 *
 * @throws AttentionError `ERR_RANGE` when it is there and cannot be read.
 */
export async function readOptionalText(directory: string, file: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, file), 'utf8');
  } catch (cause) {
    const { code = '', message: received } = cause as NodeJS.ErrnoException;
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    const message = `[loadModel] ${file}: expected a file that can be read, received ${received}`;
    throw new AttentionError('ERR_RANGE', message, { cause });
  }
}
