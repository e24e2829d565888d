import { Checks } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { plural } from '../plural.ts';
import type { Tokenizer } from '../tokenizer/index.ts';
import type { GenerateOptions } from './generate_options.ts';

/** A limit on the tokens of a request, prompt and generated ones together. */
export interface LengthLimit {
  tokens: number;
  code: AttentionErrorCode;
  reason: string;
}

const checks = new Checks('generate');

/** The limits that the model's context and the whole cache put on a request. */
export function lengthLimits(contextLength: number, cacheTokens: number): LengthLimit[] {
  return [
    { tokens: contextLength, code: 'ERR_RANGE', reason: `the model's context has ${contextLength}` },
    {
      tokens: cacheTokens + 1, // the last token's keys and values are never needed
      code: 'ERR_OUT_OF_BLOCKS',
      reason: `the cache holds ${cacheTokens} (a larger numBlocks holds more)`,
    },
  ];
}

/**
 * Checks that a request fits into the limits.
 *
 * @returns How many tokens it may generate: `maxTokens`, or as many as fit.
 */
export function tokensToGenerate(
  promptLength: number,
  maxTokens: number | undefined,
  limits: readonly LengthLimit[],
): number {
  if (maxTokens !== undefined) checks.integer('maxTokens', maxTokens, 1);
  for (const { tokens, code, reason } of limits) {
    const expectedPrompt = `at most ${plural(tokens - 1, 'token')}, for ${reason}`;
    checks.expect(promptLength < tokens, code, 'prompt', expectedPrompt, plural(promptLength, 'token'));
    if (maxTokens === undefined) continue;
    const expected = `at most ${tokens - promptLength} after a prompt of ${plural(promptLength, 'token')}, for ${reason}`;
    checks.expect(promptLength + maxTokens <= tokens, code, 'maxTokens', expected, maxTokens);
  }
  return maxTokens ?? Math.min(...limits.map(({ tokens }) => tokens)) - promptLength;
}

/** Checks stop strings, which may be one or several; they need a tokenizer. */
export function stopStrings(stop: GenerateOptions['stop'] = [], tokenizer?: Tokenizer): string[] {
  const strings = [stop].flat();
  const filled = strings.every((text) => typeof text === 'string' && text !== '');
  checks.expect(filled, 'ERR_RANGE', 'stop', 'texts that are not empty', strings);
  const usable = strings.length === 0 || tokenizer !== undefined;
  checks.expect(usable, 'ERR_UNSUPPORTED', 'stop', 'none, for the engine has no tokenizer', strings);
  return strings;
}

/** The tokens of stop strings that are special tokens: those give no text in which the strings could be found. */
export function specialStopTokens(stop: readonly string[], tokenizer: Tokenizer | undefined): number[] {
  return stop.flatMap((text) => {
    const tokens = tokenizer?.encode(text, { addSpecialTokens: false }) ?? [];
    const isSpecial = tokens.length === 1 && tokenizer?.decode(tokens) === '';
    return isSpecial && tokenizer.decode(tokens, { skipSpecialTokens: false }) === text ? tokens : [];
  });
}
