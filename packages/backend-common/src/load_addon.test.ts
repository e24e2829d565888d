import { expect, test } from '@jest/globals';
import { AttentionError } from '@attention-js/core';
import { loadAddon } from './load_addon.ts';

test('loads the first candidate that exists', () => {
  const candidates = ['/nowhere/a.node', 'node:path', 'node:fs'].map((specifier) => ({ specifier, fix: '' }));
  expect(loadAddon('name', candidates, import.meta.url)).toHaveProperty('basename');
});

test('lists every attempt and its fix', () => {
  const candidates = [
    { specifier: '/nowhere/a.node', fix: 'build it' },
    { specifier: '@nobody/b', fix: 'install it' },
  ];
  let error: unknown;
  try {
    loadAddon('name', candidates, import.meta.url);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(AttentionError);
  const { code, message } = error as AttentionError;
  expect(code).toBe('ERR_ADDON_MISSING');
  expect(message).toMatch(
    /^\[name\] addon: expected one of these, found none\n- \/nowhere\/a\.node: Cannot find .*\n {2}fix: build it\n- @nobody\/b: Cannot find .*\n {2}fix: install it$/,
  );
});
