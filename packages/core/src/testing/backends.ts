import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { BLOCK_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { BlockStorage } from '../storage/storage_types.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals';

/**
 * Names of the tfjs backends to test: `ATTENTION_TEST_BACKENDS`, comma separated, `cpu` by default. A backend other
 * than `cpu` is registered by its package, `@attention-js/backend-NAME`.
 */
const backendNames = (process.env.ATTENTION_TEST_BACKENDS ?? 'cpu').split(',');

tf.env().set('IS_TEST', true); // tfjs then checks each kernel for leaked data, and keeps its advice to itself

for (const name of backendNames) {
  if (name !== 'cpu') await import(`@attention-js/backend-${name}`);
}

function describeOn(title: string, backendName: string, body: (backendName: string) => void): void {
  describe(`${title} on ${backendName}`, () => {
    beforeAll(async () => {
      if (!(await tf.setBackend(backendName))) throw new Error(`tfjs backend ${backendName} cannot be set`);
    });
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());
    afterAll(() => tf.setBackend('cpu'));
    body(backendName);
  });
}

/**
 * Runs a suite once per backend under test. Tensors made in a test are disposed at its end.
 *
 * @param body Receives the backend's name.
 */
export function describeOnBackends(title: string, body: (backendName: string) => void): void {
  for (const backendName of backendNames) describeOn(title, backendName, body);
}

/** The block types that products take on a backend. */
export function blockTypesOf(backendName: string): readonly BlockStorage[] {
  return backendName === 'cpu' ? BLOCK_STORAGE_TYPES : [];
}

/**
 * The same on the backends of devices only: for what `cpu` does otherwise or is the reference of. Left out, by a name that
 * says so, if none is under test.
 */
export function describeOnDevices(title: string, body: (backendName: string) => void): void {
  const deviceNames = backendNames.filter((name) => name !== 'cpu');
  for (const backendName of deviceNames) describeOn(title, backendName, body);
  // oxlint-disable-next-line jest/no-disabled-tests -- the name says why
  const leaveOut = describe.skip;
  if (deviceNames.length === 0) {
    leaveOut(`${title} (left out: no device under test, see npm run build:native)`, () => {
      body('');
    });
  }
}

/**
 * The tests of the block around it hold inputs to the rules for their elements, which devices do only on request.
 *
 * @param backendName The backend under test.
 */
export function checkBounds(backendName: string): void {
  if (backendName === 'cpu') return;
  beforeAll(() => tf.env().set('ATTENTION_CHECK_BOUNDS', true));
  afterAll(() => tf.env().set('ATTENTION_CHECK_BOUNDS', false));
}

/** Runs `call`, disposes what it returns, and expects that no tensor and no data is left over. */
export function expectNoLeak(call: () => tf.TensorContainer): void {
  const before = counts();
  tf.dispose(call());
  expect(counts()).toEqual(before);
}

function counts(): { tensors: number; dataIds: number } {
  return { tensors: tf.memory().numTensors, dataIds: tf.engine().backend.numDataIds() };
}
