import * as nodeModule from 'node:module'; // a bundle's banner may declare createRequire itself
import { AttentionError } from '@attention-js/core';

/** A possible location of the addon. */
export interface AddonCandidate {
  /** The argument of `require`. */
  specifier: string;
  /** How to get the addon if it is missing. */
  fix: string;
}

/**
 * Loads the first addon that exists.
 *
 * @param backendName Name of the backend, for errors.
 * @param from `import.meta.url` of the backend's module, from which packages are resolved.
 * @throws AttentionError `ERR_ADDON_MISSING`, listing each attempt and its fix.
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
