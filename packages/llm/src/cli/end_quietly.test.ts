import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import { endQuietly } from './end_quietly.ts';

function fakeProcess() {
  const exits: number[] = [];
  const written: string[] = [];
  const errors: string[] = [];
  const stdout = Object.assign(new EventEmitter(), { write: (text: string) => written.push(text) > 0 });
  const stderr = Object.assign(new EventEmitter(), { write: (text: string) => errors.push(text) > 0 });
  const process = Object.assign(new EventEmitter(), {
    stdout,
    stderr,
    exit: (code: number) => void exits.push(code),
  });
  endQuietly(process);
  return { process, stdout, stderr, exits, written, errors };
}

test('exits with 0 when the reader has gone', () => {
  const { stdout, exits } = fakeProcess();
  stdout.emit('error', Object.assign(new Error('write'), { code: 'EPIPE' }));
  expect(exits[0]).toBe(0);
});

test('exits with 1 and one line when the disk is full', () => {
  const { stdout, stderr, exits, errors } = fakeProcess();
  stdout.emit(
    'error',
    Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }),
  );
  expect([exits, errors]).toEqual([[1], ['ENOSPC: no space left on device, write\n']]);
  stderr.emit('error', new Error('ENOSPC'));
  expect(exits).toEqual([1, 1]);
});

test('ends the line when interrupted; a second interrupt is left to Node', () => {
  const { process, exits, written } = fakeProcess();
  process.emit('SIGINT');
  expect(written).toEqual(['\n']);
  expect(exits).toEqual([130]);
  expect(process.listenerCount('SIGINT')).toBe(0);
});
