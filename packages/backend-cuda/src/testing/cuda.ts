import { existsSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { AttentionError } from '@attention-js/core';
import { openContext } from '../addon.ts';
import { registerContext } from '../register.ts';
import '../index.ts';
import type { CudaBackend } from '../cuda_backend.ts';

tf.env().set('IS_TEST', true);

/** Whether these tests run on the CPU emulator. */
export const isEmulated = process.env.ATTENTION_CUDA_EMULATOR === '1';

const variant = isEmulated ? 'emulator' : 'cuda';
const hasAddon = existsSync(new URL(`../../build/${variant}/Release/attention_cuda.node`, import.meta.url));
const isUsable = hasAddon && (isEmulated || existsSync('/dev/nvidiactl'));

/** Whether these tests run on a GPU. */
export const hasGpu = isUsable && !isEmulated;

/** The backend under test. */
export const cuda = (): CudaBackend => tf.engine().backend as CudaBackend;

/** Switches to a context in which attention uses this number of splits; 0: launchers decide. */
export async function useSplits(splits: number): Promise<void> {
  const name = splits === 0 ? 'cuda' : `cuda, ${splits} splits`;
  if (!tf.findBackendFactory(name)) registerContext(name, { ordinal: 0, splits });
  await tf.setBackend(name);
}

/** Counts of live bytes, data ids and tensors. Equal before and after code that leaks nothing. */
export function alive() {
  const { numBytes, numBytesInGPU, numBytesPinned } = cuda().memory();
  return {
    numBytes,
    numBytesInGPU,
    numBytesPinned,
    ids: cuda().numDataIds(),
    tensors: tf.memory().numTensors,
  };
}

function declare(title: string, reason: string | undefined, body: () => void): void {
  const [suite, note] = reason === undefined ? [describe, ''] : [describe.skip, ` (left out: ${reason})`];
  suite(title + note, () => {
    beforeAll(() => tf.setBackend('cuda'));
    beforeEach(() => tf.engine().startScope());
    afterEach(() => tf.engine().endScope());
    body();
  });
}

/** A suite on the backend `cuda`. If the addon is not built, it is skipped and its title says how to build it. */
export function describeOnCuda(title: string, body: () => void): void {
  declare(title, isUsable ? undefined : 'npm run build:native', body);
}

function hasSecondDevice(): boolean {
  try {
    openContext({ ordinal: 1 });
    return true;
  } catch (error) {
    if (error instanceof AttentionError && error.code === 'ERR_NO_DEVICE') return false;
    throw error;
  }
}

/** A suite on `cuda` that needs two devices. */
export function describeOnDevices(title: string, body: () => void): void {
  const missing = isUsable && !hasSecondDevice() ? 'needs two NVIDIA GPUs' : undefined;
  declare(title, isUsable ? missing : 'npm run build:native', body);
}

/**
 * A suite that needs a real GPU.
 *
 * @param missing Something else the suite needs that is missing.
 */
export function describeOnGpu(title: string, body: () => void, missing?: string): void {
  declare(title, hasGpu ? missing : 'needs an NVIDIA GPU', body);
}
