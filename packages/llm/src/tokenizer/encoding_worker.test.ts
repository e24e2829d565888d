import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { byteTokenizer, byteTokenizerJson } from '../testing/byte_tokenizer.ts';
import { expectRejection } from '../testing/expect_rejection.ts';
import { tokenizerFixtures } from '../testing/tokenizer_fixtures.ts';
import { EncodingWorker } from './encoding_worker.ts';
import { Tokenizer } from './tokenizer.ts';

const SHIPPED_MODEL = fileURLToPath(new URL('../../model', import.meta.url));
const texts = ['', 'Hello', '<s>a</s> b <|user|>', 'grüße 😀 '.repeat(500), `${'x'.repeat(3000)} y`];

describe('encodeInWorker', () => {
  test('equals encode, for many texts at once', async () => {
    for (const tokenizer of [byteTokenizer([['l', 'l']]), await Tokenizer.load(SHIPPED_MODEL)]) {
      for (const addSpecialTokens of [true, false]) {
        const encoded = await Promise.all(
          texts.map((text) => tokenizer.encodeInWorker(text, { addSpecialTokens })),
        );
        expect(encoded).toEqual(texts.map((text) => tokenizer.encode(text, { addSpecialTokens })));
      }
    }
  });

  test.each(Object.entries(tokenizerFixtures().tokenizers))(
    'gives what encode gives for %s',
    async (_name, file) => {
      const tokenizer = new Tokenizer(file);
      const text = tokenizerFixtures().oddTexts.join(' ');
      expect(await tokenizer.encodeInWorker(text)).toEqual(tokenizer.encode(text));
    },
  );

  test('leaves the event loop free', async () => {
    const tokenizer = await Tokenizer.load(SHIPPED_MODEL);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await tokenizer.encodeInWorker('Some words of a long text. '.repeat(10_000));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
  });

  test('rejects a text that takes too long, and no other', async () => {
    const pre_tokenizer = {
      type: 'Split',
      pattern: { Regex: 'a*a*a*b' },
      behavior: 'Isolated',
      invert: false,
    };
    const worker = new EncodingWorker({ ...byteTokenizerJson(), pre_tokenizer }, 300);
    const [quick, slow, later] = ['x', 'a'.repeat(20_000), 'y'].map((text) =>
      worker.tokenize([{ text, section: 0 }]),
    );
    expect(await quick).toEqual([['x']]);
    const message =
      '[Tokenizer] text: expected one that can be encoded, received "one that takes longer than 0.3 s"';
    await expectRejection(slow, 'ERR_RANGE', message);
    expect(await later).toEqual([['y']]);
  });

  test('rejects if the thread fails, and tries again with the next text', async () => {
    const worker = new EncodingWorker({ model: null });
    for (let i = 0; i < 2; i++) {
      await expectRejection(
        worker.normalize(['a']),
        'ERR_RANGE',
        '[Tokenizer] text: expected one that can be encoded, received "Error: Tokenizer must',
      );
    }
  });
});

describe('Tokenizer', () => {
  test('decodes unknown ids to no text', () => {
    const tokenizer = byteTokenizer();
    expect(tokenizer.decode([72, 5000, 105])).toBe('Hi');
    expect(tokenizer.decode([5000])).toBe('');
    const detokenizer = tokenizer.detokenizer();
    expect([72, 5000, 105].map((id) => detokenizer.push(id))).toEqual(['H', '', 'i']);
  });

  test('knows its longest token', () => {
    expect(byteTokenizer().longestToken).toBe('<|assistant|>'.length);
    expect(
      byteTokenizer([
        ['a', 'b'],
        ['ab'.repeat(9), 'c'],
      ]).longestToken,
    ).toBe(19);
  });
});
