import { existsSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import '../index.ts';
import type { MetalBackend } from '../metal_backend.ts';

tf.env().set('IS_TEST', true);

const hasAddon = existsSync(new URL('../../build/attention_metal.node', import.meta.url));

/** The backend under test. */
export const metal = (): MetalBackend => tf.engine().backend as MetalBackend;

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
