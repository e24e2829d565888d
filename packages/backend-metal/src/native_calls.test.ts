import { constants } from 'node:buffer';
import type { AttentionError } from '@attention-js/core';
import { expect, test } from '@jest/globals';
import { runNative } from '../../backend-common/src/testing/native_process.ts';
import { describeOnMetal, metal } from './testing/metal.ts';

describeOnMetal('native calls', () => {
  test('with hostile values throw AttentionErrors', () => {
    expect(runNative('run.js', 'metal', '--calls', '2000', '--seed', '3')).toEqual({
      signal: null,
      status: 0,
      lastLine: '2000 calls',
    });
  });

  test.each(['terminate', 'exit', 'process-exit'])('outlive threads that end: %s', (end) => {
    expect(runNative('threads.js', 'metal', end)).toEqual({ signal: null, status: 0, lastLine: '6 workers' });
  });

  test('memory too long for an ArrayBuffer cannot be viewed in JavaScript, but shaders can use it', () => {
    const before = metal().memory().numBytesInGPU;
    // Uninitialized, so it takes no physical memory.
    const tensor = metal().makeOutput({ shape: [2 ** 30 + 1], dtype: 'float32' });
    const read = (): unknown => {
      try {
        return metal().data.get(tensor.dataId).values?.length;
      } catch (error) {
        const { name, code, message } = error as AttentionError;
        return { name, code, message };
      }
    };
    const refusal = {
      name: 'AttentionError',
      code: 'ERR_UNSUPPORTED',
      message:
        '[metal] this version of Node gives no access to memory of 4294967300 bytes as one ArrayBuffer',
    };
    expect(read()).toEqual(constants.MAX_LENGTH >= 2 ** 32 + 4 ? 2 ** 30 + 1 : refusal);
    metal().disposeData(tensor.dataId);
    expect(metal().memory().numBytesInGPU).toBe(before);
  });
});
