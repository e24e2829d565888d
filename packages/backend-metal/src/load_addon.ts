import * as nodeModule from 'node:module'; // a bundle's banner often declares createRequire itself
import { fileURLToPath } from 'node:url';
import { AttentionError } from '@attention-js/core';

/** Where the addon may be. */
export interface AddonCandidate {
  /** What is passed to `require`. */
  specifier: string;
  /** What to do when it is not there. */
  fix: string;
}

const PLATFORM_PACKAGE = '@attention-js/backend-metal-darwin-arm64';

const candidates: readonly AddonCandidate[] = [
  {
    specifier: fileURLToPath(new URL('../build/attention_metal.node', import.meta.url)),
    fix: 'npx attention-metal (builds it; needs clang++, on a Mac: xcode-select --install)',
  },
  { specifier: PLATFORM_PACKAGE, fix: `npm install ${PLATFORM_PACKAGE} (on a Mac with Apple silicon)` },
];

/**
 * Loads the first addon that there is.
 *
 * @throws AttentionError `ERR_ADDON_MISSING`, with what was tried and what fixes it.
 */
export function loadAddon(from: readonly AddonCandidate[] = candidates): unknown {
  const require = nodeModule.createRequire(import.meta.url);
  const attempts: string[] = [];
  for (const { specifier, fix } of from) {
    try {
      return require(specifier);
    } catch (error) {
      const [reason] = (error as Error).message.split('\n');
      attempts.push(`\n- ${specifier}: ${reason}\n  fix: ${fix}`);
    }
  }
  throw new AttentionError(
    'ERR_ADDON_MISSING',
    `[metal] addon: expected one of these, found none${attempts.join('')}`,
  );
}
