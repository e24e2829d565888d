import { AttentionError, Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import type { ChatMessage, Tokenizer } from '../tokenizer/index.ts';

/** What to continue: a text, a conversation (written out with the model's chat template), or token ids. */
export type Prompt = string | readonly ChatMessage[] | readonly number[] | Int32Array;

const checks = new Checks('generate');

/**
 * Token ids of a prompt.
 *
 * @throws AttentionError `ERR_DTYPE` for anything else; `ERR_UNSUPPORTED` for text without a tokenizer or messages without a chat template,
 * `ERR_RANGE` for an empty prompt or a token id that the model does not have.
 */
export function promptTokens(prompt: Prompt, tokenizer: Tokenizer | undefined, vocabSize: number): number[] {
  const valid = typeof prompt === 'string' || Array.isArray(prompt) || prompt instanceof Int32Array;
  const expected = 'a text, an array of messages, or token ids';
  checks.expect(valid, 'ERR_DTYPE', 'prompt', expected, summarize(prompt));
  const tokens = isTokenIds(prompt) ? Array.from(prompt) : encode(prompt, tokenizer);
  checks.expect(tokens.length > 0, 'ERR_RANGE', 'prompt', 'at least one token', 'none');
  tokens.forEach((token, i) => checks.integer(`prompt[${i}]`, token, 0, vocabSize - 1));
  return tokens;
}

function isTokenIds(prompt: Prompt): prompt is readonly number[] | Int32Array {
  return prompt instanceof Int32Array || (typeof prompt !== 'string' && typeof prompt[0] !== 'object');
}

function encode(prompt: string | readonly ChatMessage[], tokenizer: Tokenizer | undefined): number[] {
  if (!tokenizer) {
    const message = '[generate] prompt: expected token ids, for the engine has no tokenizer; received text';
    throw new AttentionError('ERR_UNSUPPORTED', message);
  }
  if (typeof prompt === 'string') return tokenizer.encode(prompt);
  prompt.forEach(checkMessage);
  return tokenizer.encode(tokenizer.applyChatTemplate(prompt), { addSpecialTokens: false });
}

function checkMessage(message: Partial<ChatMessage> | undefined, index: number): void {
  for (const name of ['role', 'content'] as const) {
    const value = message?.[name];
    checks.expect(
      typeof value === 'string',
      'ERR_DTYPE',
      `prompt[${index}].${name}`,
      'a text',
      summarize(value),
    );
  }
}
