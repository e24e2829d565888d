import { AttentionError } from '@attention-js/core';
import { GIT_LFS_HINT, isGitLfsPointer } from './git_lfs.ts';

/**
 * `JSON.parse` whose error says which text was none.
 *
 * @throws AttentionError `ERR_DTYPE`.
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const received = isGitLfsPointer(text) ? GIT_LFS_HINT : (cause as Error).message;
    const message = `[loadModel] ${what}: expected JSON, received ${received}`;
    throw new AttentionError('ERR_DTYPE', message, { cause });
  }
}
