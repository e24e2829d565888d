import { existsSync } from 'node:fs';
import { beforeAll, describe, expect } from '@jest/globals';
import { unavailableSuite } from '../../backend-common/src/testing/suites/unavailable.ts';

const hasGpu = existsSync('/dev/nvidiactl');
const hasAddon = existsSync(new URL('../build/cuda/Release/attention_cuda.node', import.meta.url));

const [suite, note] = hasGpu ? [describe.skip, ' (left out: there is one)'] : [describe, ''];

suite(`on a machine without a GPU${note}`, () => {
  beforeAll(async () => {
    delete process.env.ATTENTION_CUDA_EMULATOR;
    await import('./index.ts'); // does not throw
  });

  unavailableSuite(
    'cuda',
    hasAddon
      ? {
          code: 'ERR_NO_DRIVER',
          message: expect.stringMatching(/^\[cuda\] expected an NVIDIA driver, found none/),
        }
      : {
          code: 'ERR_ADDON_MISSING',
          message: expect.stringMatching(/npx -p @attention-js\/backend-cuda --no-install attention-cuda/),
        },
  );
});
