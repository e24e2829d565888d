import { describe, expect, test } from '@jest/globals';
import { BYTE_TOKENIZER_CONFIG, byteTokenizerJson } from '../testing/byte_tokenizer.ts';
import { Tokenizer } from '../tokenizer/index.ts';
import { promptTokens } from './prompt.ts';

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const template =
  '{{ messages[0].content }}{% if enable_thinking is defined and enable_thinking is false %}!{% endif %}';
const tokenizer = new Tokenizer(byteTokenizerJson(), { ...BYTE_TOKENIZER_CONFIG, chat_template: template });

describe('template variables of a prompt', () => {
  test('reach the chat template', () => {
    expect(promptTokens(MESSAGES, tokenizer, [], { enable_thinking: false })).toEqual(
      tokenizer.encode('Hi!'),
    );
    expect(promptTokens(MESSAGES, tokenizer, [], { enable_thinking: true })).toEqual(tokenizer.encode('Hi'));
    expect(promptTokens(MESSAGES, tokenizer, [])).toEqual(tokenizer.encode('Hi'));
  });
});
