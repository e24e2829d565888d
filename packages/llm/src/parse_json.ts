import { AttentionError } from '@attention-js/core';
import { GIT_LFS_HINT, isGitLfsPointer } from './git_lfs.ts';

/** Objects and lists within each other; parsers go down into them by recursion, or take memory for each. */
const DEEPEST = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * `JSON.parse` whose error says which text was none. The depth is looked at first: millions of brackets would take
 * minutes.
 *
 * @throws AttentionError `ERR_DTYPE`.
 */
export function parseJson(text: string, what: string): unknown {
  const fail = (received: string, cause?: unknown): never => {
    const message = `[loadModel] ${what}: expected JSON, received ${received}`;
    throw new AttentionError('ERR_DTYPE', message, { cause });
  };
  if (isGitLfsPointer(text)) fail(GIT_LFS_HINT);
  if (isDeeper(text, DEEPEST)) fail(`more than ${DEEPEST} objects and lists within each other`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail((cause as Error).message, cause);
  }
}

function isDeeper(text: string, deepest: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) i = endOfString(text, i);
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > deepest) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return false;
}

/** Position of the closing quote of the string that begins at `begin`, or the end of the text. */
function endOfString(text: string, begin: number): number {
  for (let i = begin + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) return i;
    if (unit === BACKSLASH) i++;
  }
  return text.length;
}
