import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import { isObject } from './tokenizer_json.ts';

const MAX_PATTERN_LENGTH = 10_000;
/** Maximum number of unbounded repetitions in one alternative; real patterns have two or three. */
const MAX_REPETITIONS = 5;
/** Maximum factor by which a normalizer may lengthen a text. */
const MAX_GROWTH = 1024;
const MAX_STEPS = 100;

const checks = new Checks('Tokenizer');

/**
 * Checks that a tokenizer.json's regular expressions cannot take exponential time, nor its replacements exponential
 * space. A repetition inside a repetition, or of alternatives, may match the same text in exponentially many ways.
 *
 * @throws AttentionError `ERR_UNSUPPORTED`, naming the part.
 */
export function checkSteps(part: string, step: object | null): void {
  let growth = 1;
  let steps = 0;
  const visit = (value: unknown, where: string): void => {
    if (Array.isArray(value)) value.forEach((item) => visit(item, where));
    if (!isObject(value)) return;
    steps++;
    checks.expect(
      steps <= MAX_STEPS * 3,
      'ERR_UNSUPPORTED',
      `tokenizer.json: ${part}`,
      `at most ${MAX_STEPS} steps`,
      steps,
    );
    if (typeof value.Regex === 'string') checkPattern(value.Regex, where);
    growth *= growthOf(value);
    for (const [key, item] of Object.entries(value)) visit(item, `${where}: ${key}`);
  };
  visit(step, `tokenizer.json: ${part}`);
  const expected = `replacements that make a text at most ${MAX_GROWTH} times as long`;
  checks.expect(growth <= MAX_GROWTH, 'ERR_UNSUPPORTED', `tokenizer.json: ${part}`, expected, growth);
}

function growthOf({ type, pattern, content }: Record<string, unknown>): number {
  if (type !== 'Replace' || typeof content !== 'string') return 1;
  const replaced = isObject(pattern) && typeof pattern.String === 'string' ? pattern.String.length : 1;
  return Math.max(1, replaced === 0 ? content.length + 1 : content.length / replaced);
}

/** What the check needs to know about a group, or about the whole pattern. */
interface Level {
  hasChoice: boolean;
  repetitions: number;
  /** Repetitions in the current alternative. */
  current: number;
}

/**
 * Checks one regular expression.
 *
 * @param where The part's name in error messages.
 */
export function checkPattern(pattern: string, where: string): void {
  const fail = (received: string): never =>
    checks.fail('ERR_UNSUPPORTED', where, 'a regular expression that takes a bounded time', received);
  if (pattern.length > MAX_PATTERN_LENGTH) fail(`${pattern.length} characters`);
  const levels: Level[] = [{ hasChoice: false, repetitions: 0, current: 0 }];
  let last: Level | undefined; // the group that ended just before this position
  for (let i = 0; i < pattern.length; i++) {
    const top = levels[levels.length - 1];
    const ended = last;
    last = undefined;
    const length = atomLength(pattern, i);
    if (length > 1) {
      i += length - 1;
    } else if (pattern[i] === '(') {
      levels.push({ hasChoice: false, repetitions: 0, current: 0 });
      i += (/^\((?:\?(?:[:=!>]|<[=!]|[a-z-]*:|<\w+>))?/.exec(pattern.slice(i, i + 50))?.[0].length ?? 1) - 1;
    } else if (pattern[i] === ')' && levels.length > 1) {
      last = levels.pop();
      levels[levels.length - 1].current += last?.repetitions ?? 0;
    } else if (pattern[i] === '|') {
      top.hasChoice = true;
      top.current = 0;
    } else {
      const quantifier = /^(?:[*+?]|\{\d*(?:,\d*)?\})/.exec(pattern.slice(i, i + 20))?.[0];
      if (quantifier === undefined) continue;
      i += quantifier.length - 1;
      if (!isRepetition(quantifier)) continue;
      if (ended && (ended.hasChoice || ended.repetitions > 0)) fail(summarize(pattern));
      top.current++;
    }
    top.repetitions = Math.max(top.repetitions, top.current);
    if (top.repetitions > MAX_REPETITIONS) fail(summarize(pattern));
  }
}

/** Whether a quantifier may repeat more than a few times, unlike `?` and `{1,3}`. */
function isRepetition(quantifier: string): boolean {
  if (quantifier === '?') return false;
  if (quantifier.length === 1) return true;
  const [min = '', max = min] = quantifier.slice(1, -1).split(',');
  return max === '' || Number(max) > 10 || Number(min) > 10;
}

/** The length of the escape or character class that starts at a position, else 1. */
function atomLength(pattern: string, begin: number): number {
  if (pattern[begin] === '\\')
    return /^\\[pP]\{[^}]*\}|^\\./su.exec(pattern.slice(begin, begin + 60))?.[0].length ?? 1;
  if (pattern[begin] !== '[') return 1;
  let depth = 0;
  for (let i = begin; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === '[') depth++;
    else if (pattern[i] === ']' && --depth === 0) return i - begin + 1;
  }
  return pattern.length - begin;
}
