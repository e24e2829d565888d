import { expect, test } from '@jest/globals';
import { readdirSync } from 'node:fs';
import { inlineHeaders, shaderSource } from './shader_source.ts';

const folder = new URL('../../../kernels/metal/', import.meta.url);

test('puts a header in the place of the first line that includes it', () => {
  const header = readdirSync(folder).find((file) => file.endsWith('.h'));
  const source = inlineHeaders(`#include "${header}"\nint a;\n#include "${header}"\nint b;\n`);
  expect(source).not.toMatch(/#include "|#pragma once/);
  expect(source).toMatch(/\nint a;\n\nint b;\n$/);
  expect(source.length).toBeGreaterThan(100);
});

test('leaves other includes to the compiler', () => {
  const source = '#include <metal_stdlib>\n#include "not_ours.h"\n';
  expect(inlineHeaders(source)).toBe(source);
});

test('every shader finds all of its headers', () => {
  const stems = readdirSync(folder)
    .filter((file) => file.endsWith('.metal'))
    .map((file) => file.slice(0, -'.metal'.length));
  expect(stems).toContain('silu_and_mul');
  for (const stem of stems) expect(shaderSource(stem)).not.toMatch(/#include "/);
});
