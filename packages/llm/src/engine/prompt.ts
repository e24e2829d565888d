import { AttentionError, Checks } from '@attention-js/core';
import { plural } from '../plural.ts';
import { summarize } from '../summarize.ts';
import type { ChatMessage, Tokenizer } from '../tokenizer/index.ts';
import type { LengthLimit } from './request_limits.ts';

/** What to continue: a text, a conversation (written out with the model's chat template), or token ids. */
export type Prompt = string | readonly ChatMessage[] | readonly number[] | Int32Array;

const checks = new Checks('generate');

/**
 * Token ids of a prompt, which {@link checkTokens} has yet to check; a promise for a long text, which is encoded beside the
 * steps of other requests.
 *
 * @param variables Variables of the chat template.
 * @param limits Limits that the length of the prompt is held to before anything is done with it.
 * @throws AttentionError `ERR_DTYPE` for anything else; `ERR_UNSUPPORTED` for text without a tokenizer or messages without a
 * chat template; the codes of `limits` for a prompt that cannot have few enough tokens.
 */
export function promptTokens(
  prompt: Prompt,
  tokenizer: Tokenizer | undefined,
  limits: readonly LengthLimit[],
  variables?: Record<string, unknown>,
): readonly number[] | Int32Array | Promise<number[]> {
  const valid = typeof prompt === 'string' || Array.isArray(prompt) || prompt instanceof Int32Array;
  const expected = 'a text, an array of messages, or token ids';
  checks.expect(valid, 'ERR_DTYPE', 'prompt', expected, summarize(prompt));
  if (isTokenIds(prompt)) return prompt;
  if (!tokenizer) {
    const message = '[generate] prompt: expected token ids, for the engine has no tokenizer; received text';
    throw new AttentionError('ERR_UNSUPPORTED', message);
  }
  if (typeof prompt === 'string') return encode(prompt, tokenizer, limits, true);
  prompt.forEach(checkMessage);
  checkCharacters(
    prompt.reduce((sum, { content }) => sum + content.length, 0),
    tokenizer,
    limits,
  );
  return encode(tokenizer.applyChatTemplate(prompt, { variables }), tokenizer, limits, false);
}

/**
 * Checks a prompt's token ids.
 *
 * @throws AttentionError `ERR_RANGE` for an empty prompt or a token id that the model does not have.
 */
export function checkTokens(tokens: ArrayLike<number>, vocabSize: number): void {
  checks.expect(tokens.length > 0, 'ERR_RANGE', 'prompt', 'at least one token', 'none');
  for (let i = 0; i < tokens.length; i++) checks.integer(`prompt[${i}]`, tokens[i], 0, vocabSize - 1);
}

function isTokenIds(prompt: Prompt): prompt is readonly number[] | Int32Array {
  return prompt instanceof Int32Array || (typeof prompt !== 'string' && typeof prompt[0] !== 'object');
}

function encode(
  text: string,
  tokenizer: Tokenizer,
  limits: readonly LengthLimit[],
  addSpecialTokens: boolean,
): number[] | Promise<number[]> {
  checkCharacters(text.length, tokenizer, limits);
  const options = { addSpecialTokens };
  return text.length > tokenizer.longestInline
    ? tokenizer.encodeInWorker(text, options)
    : tokenizer.encode(text, options);
}

/** A text of more characters than the longest tokens could hold is refused without being encoded. */
function checkCharacters(characters: number, tokenizer: Tokenizer, limits: readonly LengthLimit[]): void {
  if (characters <= tokenizer.longestInline) return;
  for (const { tokens, code, reason } of limits) {
    const most = (tokens - 1) * tokenizer.longestToken;
    const expected = `at most ${plural(most, 'character')}, for ${reason}`;
    checks.expect(characters <= most, code, 'prompt', expected, plural(characters, 'character'));
  }
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
