import { stat } from 'node:fs/promises';
import type { Checks } from '@attention-js/core';
import { summarize } from './summarize.ts';

/**
 * Checks that `directory` is a folder.
 *
 * @throws AttentionError `ERR_DTYPE` when it is no string, `ERR_RANGE` when there is no such folder.
 */
export async function checkModelFolder(checks: Checks, directory: unknown): Promise<void> {
  const expected = 'a local Hugging Face folder';
  const received = summarize(directory);
  if (typeof directory !== 'string') checks.fail('ERR_DTYPE', 'directory', expected, received);
  const found = await stat(directory).catch(() => undefined);
  const problem = found ? 'is no folder' : 'does not exist (models are not downloaded)';
  checks.expect(
    found?.isDirectory() ?? false,
    'ERR_RANGE',
    'directory',
    expected,
    `${received}, which ${problem}`,
  );
}
