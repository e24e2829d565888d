import { constants } from 'node:buffer';
import type { AttentionError } from '@attention-js/core';
import { expect, test } from '@jest/globals';
import { testNativeCalls } from '../../backend-common/src/testing/native_calls.ts';
import { describeOnMetal, metal } from './testing/metal.ts';

describeOnMetal('native calls', () => {
  testNativeCalls('metal');

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
