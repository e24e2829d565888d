import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { byteTokenizer } from '../testing/byte_tokenizer.ts';
import { Detokenizer } from './detokenizer.ts';

const tokenizer = byteTokenizer();

function pieces(ids: Iterable<number>): string[] {
  const detokenizer = tokenizer.detokenizer();
  return [...ids].map((id) => detokenizer.push(id));
}

describe('Detokenizer', () => {
  test('returns a character once its last byte has arrived', () => {
    expect(pieces(Buffer.from('aé€😀'))).toEqual(['a', '', 'é', '', '', '€', '', '', '', '😀']);
  });

  test('returns complete text even if a new character starts in the same token', () => {
    const detokenizer = byteTokenizer([['a', 'Ã']]).detokenizer();
    expect([256, 0xa9].map((id) => detokenizer.push(id))).toEqual(['a', 'é']);
  });

  test('gives no text for special tokens, not even within a character', () => {
    expect(pieces([256, 0xc3, 257, 0xa9, 257])).toEqual(['', '', '', 'é', '']);
  });

  test('continues after invalid bytes', () => {
    expect(pieces([0xff, 0x61, 0xe2, 0x62]).join('')).toBe('\uFFFDa\uFFFDb');
  });

  test('keeps the spaces that a decoder strips at the start of a text', () => {
    const words = ['▁the', '▁cat', 's', '▁sat'];
    const detokenizer = new Detokenizer((ids) =>
      ids
        .map((id) => words[id])
        .join('')
        .replaceAll('▁', ' ')
        .trimStart(),
    );
    expect(words.map((_, id) => detokenizer.push(id))).toEqual(['the', ' cat', 's', ' sat']);
  });

  test('decodes a bounded number of tokens at a time', () => {
    let most = 0;
    const detokenizer = new Detokenizer((ids) => {
      most = Math.max(most, ids.length);
      return tokenizer.decode(ids);
    });
    for (const byte of Buffer.from('größer €uro 😀 '.repeat(50))) detokenizer.push(byte);
    expect(most).toBeLessThanOrEqual(8);
  });

  test('joined pieces equal the decoded text, and none is half a character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 20 }), fc.nat(), (text, cut) => {
        const bytes = [...Buffer.from(text)];
        expect(pieces(bytes).join('')).toBe(tokenizer.decode(bytes).replace(/\uFFFD+$/, ''));
        const part = pieces(bytes.slice(0, cut % (bytes.length + 1))).join('');
        expect(Buffer.from(part).equals(Buffer.from(bytes.slice(0, Buffer.from(part).length)))).toBe(true);
      }),
    );
  });

  test('joined pieces equal the decoded text for any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 259 }), { maxLength: 24 }), (ids) => {
        expect(pieces(ids).join('')).toBe(tokenizer.decode(ids).replace(/\uFFFD+$/, ''));
      }),
    );
  });
});
