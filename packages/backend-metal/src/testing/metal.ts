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

/** Goes on with a backend that splits the keys of attention into so many parts; 0: as the grid decides. */
export async function useSplits(splits: number): Promise<void> {
  const name = splits === 0 ? 'metal' : `metal, ${splits} splits`;
  if (!tf.findBackendFactory(name)) registerDevice(name, { splits });
  await tf.setBackend(name);
}

const [suite, note] = hasAddon ? [describe, ''] : [describe.skip, ' (left out: npm run build:native)'];

/** A suite on the backend `metal`; left out, by a name that says how to get it, where the addon was not built. */
export function describeOnMetal(title: string, body: () => void): void {
  suite(title + note, () => {
    beforeAll(() => tf.setBackend('metal'));
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());
    body();
  });
}
