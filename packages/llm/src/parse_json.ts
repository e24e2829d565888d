import { AttentionError } from '@attention-js/core';

/**
 * `JSON.parse` whose error says which text was none.
 *
 * @throws AttentionError `ERR_DTYPE`.
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = `[loadModel] ${what}: expected JSON, received ${(cause as Error).message}`;
    throw new AttentionError('ERR_DTYPE', message, { cause });
  }
}
