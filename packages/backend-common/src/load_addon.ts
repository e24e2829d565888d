import * as nodeModule from 'node:module'; // a bundle's banner often declares createRequire itself
import { AttentionError } from '@attention-js/core';

/** Where the addon may be. */
export interface AddonCandidate {
  /** What is passed to `require`. */
  specifier: string;
  /** What to do when it is not there. */
  fix: string;
}

/**
 * Loads the first addon that there is.
 *
 * @param backendName Name of the backend, for errors.
 * @param from `import.meta.url` of the backend's module: packages are looked for from there.
 * @throws AttentionError `ERR_ADDON_MISSING`, with what was tried and what fixes it.
 */
export function loadAddon(backendName: string, candidates: readonly AddonCandidate[], from: string): unknown {
  const require = nodeModule.createRequire(from);
  const attempts: string[] = [];
  for (const { specifier, fix } of candidates) {
    try {
      return require(specifier);
    } catch (error) {
      const [reason] = (error as Error).message.split('\n');
      attempts.push(`\n- ${specifier}: ${reason}\n  fix: ${fix}`);
    }
  }
  throw new AttentionError(
    'ERR_ADDON_MISSING',
    `[${backendName}] addon: expected one of these, found none${attempts.join('')}`,
  );
}
