import { AttentionError } from '@attention-js/core';
import { GIT_LFS_HINT, isGitLfsPointer } from './git_lfs.ts';

/** Maximum nesting: parsers recurse into each level, or allocate memory for it. */
const MAX_DEPTH = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * `JSON.parse` with an error that names the text. Checks the nesting first, because millions of brackets would take
 * minutes to parse.
 *
 * @throws AttentionError `ERR_DTYPE`.
 */
export function parseJson(text: string, what: string): unknown {
  const fail = (received: string, cause?: unknown): never => {
    const message = `[loadModel] ${what}: expected JSON, received ${received}`;
    throw new AttentionError('ERR_DTYPE', message, { cause });
  };
  if (isGitLfsPointer(text)) fail(GIT_LFS_HINT);
  if (isDeeper(text, MAX_DEPTH)) fail(`more than ${MAX_DEPTH} objects and lists within each other`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    return fail((cause as Error).message, cause);
  }
}

function isDeeper(text: string, maxDepth: number): boolean {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) i = endOfString(text, i);
    else if (unit === 0x5b || unit === 0x7b) {
      if (++depth > maxDepth) return true;
    } else if (unit === 0x5d || unit === 0x7d) depth--;
  }
  return false;
}

/** The position of the closing quote of the string that starts at `begin`, or the end of the text. */
function endOfString(text: string, begin: number): number {
  for (let i = begin + 1; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) return i;
    if (unit === BACKSLASH) i++;
  }
  return text.length;
}
