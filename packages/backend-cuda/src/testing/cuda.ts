import { existsSync } from 'node:fs';
import { afterEach, beforeAll, beforeEach, describe } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { AttentionError } from '@attention-js/core';
import { openContext } from '../addon.ts';
import { registerContext } from '../register.ts';
import '../index.ts';
import type { CudaBackend } from '../cuda_backend.ts';

tf.env().set('IS_TEST', true);

/** Whether kernels run on the CPU in these tests. */
export const isEmulated = process.env.ATTENTION_CUDA_EMULATOR === '1';

const variant = isEmulated ? 'emulator' : 'cuda';
const hasAddon = existsSync(new URL(`../../build/${variant}/Release/attention_cuda.node`, import.meta.url));
const isUsable = hasAddon && (isEmulated || existsSync('/dev/nvidiactl'));

/** Whether these tests run on a GPU. */
export const hasGpu = isUsable && !isEmulated;

/** The backend under test. */
export const cuda = (): CudaBackend => tf.engine().backend as CudaBackend;

/** Goes on with a context in which attention splits the keys into so many parts; 0: as launchers decide. */
export async function useSplits(splits: number): Promise<void> {
  const name = splits === 0 ? 'cuda' : `cuda, ${splits} splits`;
  if (!tf.findBackendFactory(name)) registerContext(name, { ordinal: 0, splits });
  await tf.setBackend(name);
}

/** What is alive on the backend: bytes, data and tensors. Equal before and after something that leaks nothing. */
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

/** A suite on the backend `cuda`; left out, by a name that says how to get it, where the addon was not built. */
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

/** A suite on `cuda` that needs a second device. */
export function describeOnDevices(title: string, body: () => void): void {
  const missing = isUsable && !hasSecondDevice() ? 'needs two NVIDIA GPUs' : undefined;
  declare(title, isUsable ? missing : 'npm run build:native', body);
}

/**
 * A suite for a GPU alone, which the emulator cannot show.
 *
 * @param missing What else it needs that is not there.
 */
export function describeOnGpu(title: string, body: () => void, missing?: string): void {
  declare(title, hasGpu ? missing : 'needs an NVIDIA GPU', body);
}
