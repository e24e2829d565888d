import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { BYTE_TOKENIZER_CONFIG, byteTokenizer, byteTokenizerJson } from '../testing/byte_tokenizer.ts';
import type { ChatOptions, ChatTemplateConfig } from './index.ts';
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

  test('keeps spaces', () => {
    const text = "  it 's  odd , is n't it ?\n";
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  });

  test('knows its special tokens', () => {
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([257, 258]);
    expect(new Tokenizer(byteTokenizerJson()).eosTokenId).toBeUndefined();
  });

  test('refuses an invalid tokenizer', () => {
    expect(() => new Tokenizer({})).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching('tokenizer.json: expected'),
      }),
    );
  });
});

const MESSAGES = [{ role: 'user', content: 'Hello' }];

/** What a template makes of one message. */
const render = (chat_template: ChatTemplateConfig, options?: ChatOptions, config: object = {}): string =>
  new Tokenizer(byteTokenizerJson(), { ...config, chat_template }).applyChatTemplate(MESSAGES, options);

const named = (...names: string[]): ChatTemplateConfig => names.map((name) => ({ name, template: name }));

describe('applyChatTemplate', () => {
  const messages = [
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Hi' },
  ];

  test('renders roles, special tokens and the generation prompt', () => {
    const tokenizer = byteTokenizer();
    const text = '<s><|user|>Hello</s><|assistant|>Hi</s>';
    expect(tokenizer.applyChatTemplate(messages)).toBe(`${text}<|assistant|>`);
    expect(tokenizer.applyChatTemplate(messages, { addGenerationPrompt: false })).toBe(text);
  });

  test('passes on further variables', () => {
    expect(render('{{ mood }}', { variables: { mood: 'glad' } })).toBe('glad');
    expect(() => render('{{ mood }}', { variables: { mood: () => 1 } })).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringMatching('mood has a function') }),
    );
  });

  test('uses the default template, or the one for tools if tools are given', () => {
    expect(render(named('tool_use', 'default'))).toBe('default');
    expect(render({ rag: 'R', default: 'D' })).toBe('D');
    expect(render(named('tool_use', 'default'), { variables: { tools: [{}] } })).toBe('tool_use');
    for (const none of [named('rag', 'tool_use'), named(), null]) {
      expect(new Tokenizer(byteTokenizerJson(), { chat_template: none }).hasChatTemplate).toBe(false);
    }
  });

  test('knows neither tools nor documents unless they are given', () => {
    expect(render('{{ tools is none }}{{ documents is none }}{{ tools is defined }}')).toBe('TrueTrueTrue');
    expect(render('{{ documents[0].text }}', { variables: { documents: [{ text: 'a' }] } })).toBe('a');
  });

  test('strips characters from a text, as templates of Qwen 3 do', () => {
    const content = '<think>\nshort\n</think>\n\n    return 1\n';
    const source = "{{ messages[0].content.split('</think>')[-1].lstrip('\\n') }}|{{ 'xyx'.strip('x') }}";
    const tokenizer = new Tokenizer(byteTokenizerJson(), { chat_template: source });
    expect(tokenizer.applyChatTemplate([{ role: 'assistant', content }])).toBe('    return 1\n|y');
  });

  test('treats all line ends alike', () => {
    const source =
      '<|user|>\n{{ messages[0].content }}\n{% if add_generation_prompt %}\n<|assistant|>\n{% endif %}\n';
    expect(render(source)).toBe('<|user|>\nHello\n<|assistant|>\n');
    for (const end of ['\r\n', '\r']) expect(render(source.replaceAll('\n', end))).toBe(render(source));
  });

  test('reports why a template fails', () => {
    const without = new Tokenizer(byteTokenizerJson());
    expect(() => without.applyChatTemplate(messages)).toThrow(
      expect.objectContaining({
        code: 'ERR_UNSUPPORTED',
        message: expect.stringMatching('a model with a chat template'),
      }),
    );
    expect(() => byteTokenizer().applyChatTemplate([])).toThrow(
      expect.objectContaining({ code: 'ERR_RANGE', message: expect.stringMatching('at least one message') }),
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

  test('reads a model folder; chat_template.jinja takes precedence over tokenizer_config.json', async () => {
    await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(byteTokenizerJson()));
    expect((await Tokenizer.load(directory)).hasChatTemplate).toBe(false);
    await writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify(BYTE_TOKENIZER_CONFIG));
    expect((await Tokenizer.load(directory)).applyChatTemplate(MESSAGES)).toBe(
      '<s><|user|>Hello</s><|assistant|>',
    );
    await writeFile(join(directory, 'chat_template.jinja'), '{{ eos_token }}');
    expect((await Tokenizer.load(directory)).applyChatTemplate(MESSAGES)).toBe('</s>');
  });

  test('reads special tokens of special_tokens_map.json', async () => {
    const chat_template = '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}';
    await writeFile(join(directory, 'tokenizer.json'), JSON.stringify(byteTokenizerJson()));
    await writeFile(join(directory, 'tokenizer_config.json'), JSON.stringify({ chat_template }));
    const map = { bos_token: '<|user|>', eos_token: { content: '</s>' } };
    await writeFile(join(directory, 'special_tokens_map.json'), JSON.stringify(map));
    const tokenizer = await Tokenizer.load(directory);
    expect(tokenizer.applyChatTemplate(MESSAGES)).toBe('<|user|>Hello</s>');
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([258, 257]);
  });

  test('reports what is missing or broken', async () => {
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
