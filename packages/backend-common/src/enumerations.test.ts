import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { elementType, enumerations, UnaryOperation } from './enumerations.ts';
import { enumerationsHeader } from './enumerations_header.ts';

test.each(['cuda', 'metal'])('the header of %s is up to date: npm run enumerations', (folder) => {
  const file = new URL(`../../../kernels/${folder}/common/enumerations.h`, import.meta.url);
  expect(readFileSync(file, 'utf8')).toBe(enumerationsHeader());
});

test('the header has the names in snake_case', () => {
  expect(enumerationsHeader()).toContain(
    'enum class ElementType : int {\n  float32 = 0,\n  float16 = 1,\n  bfloat16 = 2,\n  int32 = 3,\n  bool8 = 4,\n  q4_0 = 5,\n  q5_0 = 6,\n  q8_0 = 7,\n  q4_k = 8,\n  q5_k = 9,\n  q6_k = 10,\n};',
  );
  expect(enumerationsHeader()).toContain(`  clip_by_value = ${UnaryOperation.ClipByValue},\n`);
});

test('the numbers of an enumeration count up from 0', () => {
  for (const numbers of Object.values(enumerations)) {
    expect(Object.values(numbers)).toEqual(Object.keys(numbers).map((_, index) => index));
  }
});

test('the element type of a tensor follows from its dtype, and from its storage for float32', () => {
  expect(elementType('float32', 'float32')).toBe(0);
  expect(elementType('float32', 'bfloat16')).toBe(2);
  expect(elementType('int32', 'float32')).toBe(3);
  expect(elementType('bool', 'float32')).toBe(4);
});
