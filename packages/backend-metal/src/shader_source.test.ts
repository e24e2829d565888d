import { expect, test } from '@jest/globals';
import { inlineHeaders, shaderSource, shaderStems } from './shader_source.ts';

test('replaces the first include of a header with its text', () => {
  const header = 'common/pack.h';
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
  expect(shaderStems).toContain('silu_and_mul');
  for (const stem of shaderStems) expect(shaderSource(stem)).not.toMatch(/#include "/);
});
