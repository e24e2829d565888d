import { describe, expect, test } from '@jest/globals';
import { bytes, count, styles, wrap } from './terminal.ts';

describe('wrap', () => {
  test('breaks lines at spaces and keeps paragraphs', () => {
    expect(wrap('one two three\nfour', 8)).toEqual(['one two', 'three', 'four']);
  });

  test('does not break words', () => {
    expect(wrap('incomprehensibilities are rare', 5)).toEqual(['incomprehensibilities', 'are', 'rare']);
  });
});

test('styles a text, whole or in pieces, if colours are on', () => {
  const { bold } = styles(true);
  expect(bold('a')).toBe('\u001B[1ma\u001B[22m');
  expect(`${bold.on}a${bold.off}`).toBe(bold('a'));
  const plain = styles(false).bold;
  expect([plain('a'), plain.on, plain.off]).toEqual(['a', '', '']);
});

test('formats numbers', () => {
  expect([
    count(1234567.4),
    bytes(0),
    bytes(1023),
    bytes(1536),
    bytes(300 * 2 ** 20),
    bytes(5 * 2 ** 40),
  ]).toEqual(['1,234,567', '0 bytes', '1023 bytes', '1.5 KiB', '300 MiB', '5120 GiB']);
});
