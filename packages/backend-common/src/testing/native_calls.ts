import { expect, test } from '@jest/globals';
import { runNative } from './native_process.ts';

/** Tests that whatever an addon is called with, and whenever a thread ends, the process goes on. */
export function testNativeCalls(backendName: 'cuda' | 'metal'): void {
  test('with hostile values throw AttentionErrors', () => {
    expect(runNative('run.js', backendName, '--calls', '2000', '--seed', '3')).toEqual({
      signal: null,
      status: 0,
      lastLine: '2000 calls',
    });
  });

  test.each(['terminate', 'exit', 'process-exit'])('outlive threads that end: %s', (end) => {
    expect(runNative('threads.js', backendName, end)).toEqual({
      signal: null,
      status: 0,
      lastLine: '6 workers',
    });
  });
}
