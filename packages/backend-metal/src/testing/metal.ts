import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import '../index.ts';
import { registerDevice } from '../register.ts';
import type { MetalBackend } from '../metal_backend.ts';

tf.env().set('IS_TEST', true);

const hasAddon = existsSync(new URL('../../build/attention_metal.node', import.meta.url));

/** The backend under test. */
export const metal = (): MetalBackend => tf.engine().backend as MetalBackend;

/** Switches to a backend in which attention uses this number of splits; 0: chosen by the grid. */
export async function useSplits(splits: number): Promise<void> {
  const name = splits === 0 ? 'metal' : `metal, ${splits} splits`;
  if (!tf.findBackendFactory(name)) registerDevice(name, { splits });
  await tf.setBackend(name);
}

const [suite, note] = hasAddon ? [describe, ''] : [describe.skip, ' (left out: npm run build:native)'];

/** A suite on the backend `metal`. If the addon is not built, it is skipped and its title says how to build it. */
export function describeOnMetal(title: string, body: () => void): void {
  suite(title + note, () => {
    beforeAll(() => tf.setBackend('metal'));
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());
    body();
  });
}
