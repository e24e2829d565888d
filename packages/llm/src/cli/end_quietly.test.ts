import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import { endQuietly } from './end_quietly.ts';

function fakeProcess() {
  const exits: number[] = [];
  const written: string[] = [];
  const stdout = Object.assign(new EventEmitter(), { write: (text: string) => written.push(text) > 0 });
  const process = Object.assign(new EventEmitter(), {
    stdout,
    exit: (code: number) => void exits.push(code),
  });
  endQuietly(process);
  return { process, stdout, exits, written };
}

test('exits with 0 when nobody reads on, and hides no other error', () => {
  const { stdout, exits } = fakeProcess();
  expect(() => stdout.emit('error', Object.assign(new Error('no space'), { code: 'ENOSPC' }))).toThrow(
    'no space',
  );
  expect(exits).toEqual([]);
  stdout.emit('error', Object.assign(new Error('write'), { code: 'EPIPE' }));
  expect(exits).toEqual([0]);
});

test('ends the line when interrupted; a second time Node has its way', () => {
  const { process, exits, written } = fakeProcess();
  process.emit('SIGINT');
  expect(written).toEqual(['\n']);
  expect(exits).toEqual([130]);
  expect(process.listenerCount('SIGINT')).toBe(0);
});
