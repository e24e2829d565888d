import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BYTE_TOKENIZER_CONFIG, byteTokenizer, byteTokenizerJson } from '../testing/byte_tokenizer.ts';
import { Tokenizer } from './tokenizer.ts';

describe('Tokenizer', () => {
  const tokenizer = byteTokenizer([['h', 'i']]);

  test('encodes to bytes, merges and special tokens', () => {
    expect(tokenizer.encode('hi é<s>')).toEqual([256, 0x20, 0xc3, 0xa9, 257]);
  });

  test('decodes, with and without special tokens', () => {
    const ids = [257, 256, 0x21, 258];
    expect(tokenizer.decode(ids)).toBe('hi!');
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe('<s>hi!</s>');
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([257])).toBe('');
  });

  test('leaves spaces as they are', () => {
    const text = "  it 's  odd , is n't it ?\n";
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test('knows its special tokens', () => {
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([257, 258]);
    expect(new Tokenizer(byteTokenizerJson()).eosTokenId).toBeUndefined();
  });

  test('refuses what is no tokenizer', () => {
    expect(() => new Tokenizer({})).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching('tokenizer.json: expected'),
      }),
    );
  });
});

const named = (names: string[]) =>
  new Tokenizer(byteTokenizerJson(), {
    chat_template: names.map((name) => ({ name, template: name })),
  });

describe('applyChatTemplate', () => {
  const messages = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi' },
  ];

  test('writes out roles, special tokens and the generation prompt', () => {
    const tokenizer = byteTokenizer();
    const text = '<s><|user|>Hello</s><|assistant|>Hi</s>';
    expect(tokenizer.applyChatTemplate(messages)).toBe(`${text}<|assistant|>`);
    expect(tokenizer.applyChatTemplate(messages, { addGenerationPrompt: false })).toBe(text);
  });

  test('hands on further variables', () => {
    const tokenizer = new Tokenizer(byteTokenizerJson(), { chat_template: '{{ mood }}' });
    expect(tokenizer.applyChatTemplate([], { variables: { mood: 'glad' } })).toBe('glad');
  });

  test('takes the default one of several templates, else the first', () => {
    expect(named(['tool_use', 'default']).applyChatTemplate([])).toBe('default');
    expect(named(['rag', 'tool_use']).applyChatTemplate([])).toBe('rag');
    expect(named([]).hasChatTemplate).toBe(false);
  });

  test('says why it cannot', () => {
    const without = new Tokenizer(byteTokenizerJson());
    expect(() => without.applyChatTemplate(messages)).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching('a model with a chat template'),
      }),
    );
    expect(() => byteTokenizer().applyChatTemplate([{ role: 'system', content: '' }])).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringMatching('no system role') }),
    );
    expect(() => new Tokenizer(byteTokenizerJson(), { chat_template: '{% if %}' })).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching('expected Jinja source'),
      }),
    );
  });
});

describe('Tokenizer.load', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tokenizer-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  test('reads a model folder; chat_template.jinja goes before tokenizer_config.json', async () => {
    await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(byteTokenizerJson()));
    expect((await Tokenizer.load(directory)).hasChatTemplate).toBe(false);
    await writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify(BYTE_TOKENIZER_CONFIG));
    expect((await Tokenizer.load(directory)).applyChatTemplate([])).toBe('<s><|assistant|>');
    await writeFile(join(directory, 'chat_template.jinja'), '{{ eos_token }}');
    expect((await Tokenizer.load(directory)).applyChatTemplate([])).toBe('</s>');
  });

  test('says what is missing or broken', async () => {
    await expect(Tokenizer.load(directory)).rejects.toMatchObject({
      code: 'ERR_RANGE',
      message: `[Tokenizer.load] directory: expected a folder with a tokenizer.json, received "${directory}"`,
    });
    await writeFile(join(directory, 'tokenizer.json'), '<html>');
    await expect(Tokenizer.load(directory)).rejects.toMatchObject({
      code: 'ERR_DTYPE',
      message: expect.stringMatching('tokenizer.json: expected JSON'),
    });
  });
});
