import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { expect } from '@jest/globals';

/** Expects a promise to reject with an AttentionError of this code whose message contains `message`. */
export async function expectRejection(
  promise: Promise<unknown>,
  code: AttentionErrorCode,
  message: string,
): Promise<void> {
  const reason: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(reason).toBeInstanceOf(AttentionError);
  expect({ code: (reason as AttentionError).code, message: (reason as Error).message }).toEqual({
    code,
    message: expect.stringContaining(message),
  });
}
