import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { expect, jest, test } from '@jest/globals';
import './index.ts';
import { VERSION } from './version.ts';

test('the version is that of package.json', () => {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as object;
  expect(manifest).toMatchObject({ name: '@attention-js/backend-metal', version: VERSION });
});

test('a second copy leaves the backend and its kernels to the first one', async () => {
  const [factory, kernel] = [tf.findBackendFactory('metal'), tf.getKernel('RmsNorm', 'metal')];
  expect(kernel).toBeDefined();
  jest.resetModules();
  const warn = jest.spyOn(console, 'warn').mockImplementation(() => {}); // tfjs says what is there twice
  await import('./index.ts');
  warn.mockRestore();
  expect(tf.findBackendFactory('metal')).toBe(factory);
  expect(tf.getKernel('RmsNorm', 'metal')).toBe(kernel);
});
