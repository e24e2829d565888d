import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Content of a file that a model folder may have; `undefined` where it has not. */
export async function readOptionalText(directory: string, file: string): Promise<string | undefined> {
  try {
    return await readFile(join(directory, file), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
