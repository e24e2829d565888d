import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { BLOCK_STORAGE_TYPES } from '../storage/storage_types.ts';
import type { BlockStorage } from '../storage/storage_types.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from '@jest/globals';

/**
 * Names of the tfjs backends to test: `ATTENTION_TEST_BACKENDS`, separated by commas; `cpu` by default. A backend other
 * than `cpu` is registered by its package, `@attention-js/backend-NAME`.
 */
const backendNames = (process.env.ATTENTION_TEST_BACKENDS ?? 'cpu').split(',');

tf.env().set('IS_TEST', true); // makes tfjs check each kernel for leaked data, and print no advice

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

/** Ops whose kernels take block types, by backend. `cpu` has them all. */
const BLOCK_OPS: Readonly<Record<string, readonly string[]>> = {
  cuda: ['linear', 'moeGemm', 'fusedMoe'],
  metal: ['linear'],
};

/** The block types that an op supports on a backend. */
export function blockTypesOf(backendName: string, op: string): readonly BlockStorage[] {
  return backendName === 'cpu' || BLOCK_OPS[backendName]?.includes(op) ? BLOCK_STORAGE_TYPES : [];
}

/**
 * Like describeOnBackends, but only on device backends: for what `cpu` does differently or is the reference for. If
 * none is under test, the suite is skipped and its title says so.
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
 * Makes the tests of the enclosing `describe` check the values of inputs, which devices do only on request.
 *
 * @param backendName The backend under test.
 */
export function checkBounds(backendName: string): void {
  if (backendName === 'cpu') return;
  beforeAll(() => tf.env().set('ATTENTION_CHECK_BOUNDS', true));
  afterAll(() => tf.env().set('ATTENTION_CHECK_BOUNDS', false));
}

/** Runs `call`, disposes its result, and expects that no tensor and no data is leaked. */
export function expectNoLeak(call: () => tf.TensorContainer): void {
  const before = counts();
  tf.dispose(call());
  expect(counts()).toEqual(before);
}

function counts(): { tensors: number; dataIds: number } {
  return { tensors: tf.memory().numTensors, dataIds: tf.engine().backend.numDataIds() };
}
