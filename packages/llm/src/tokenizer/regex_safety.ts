import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import { isObject } from './tokenizer_json.ts';

const LONGEST_PATTERN = 10_000;
/** Repetitions of any length one after another in one alternative; real patterns have two or three. */
const MOST_REPETITIONS = 5;
/** How much longer a normalizer may make a text. */
const LARGEST_GROWTH = 1024;
const MOST_STEPS = 100;

const checks = new Checks('Tokenizer');

/**
 * Checks that the regular expressions of a tokenizer.json cannot take exponential time, and its replacements not
 * exponential room: a repetition within a repetition, or of alternatives, may match one text in exponentially many ways.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` naming the part.
 */
export function checkSteps(part: string, step: object | null): void {
  let growth = 1;
  let steps = 0;
  const visit = (value: unknown, where: string): void => {
    if (Array.isArray(value)) value.forEach((item) => visit(item, where));
    if (!isObject(value)) return;
    steps++;
    checks.expect(
      steps <= MOST_STEPS * 3,
      'ERR_UNSUPPORTED',
      `tokenizer.json: ${part}`,
      `at most ${MOST_STEPS} steps`,
      steps,
    );
    if (typeof value.Regex === 'string') checkPattern(value.Regex, where);
    growth *= growthOf(value);
    for (const [key, item] of Object.entries(value)) visit(item, `${where}: ${key}`);
  };
  visit(step, `tokenizer.json: ${part}`);
  const expected = `replacements that make a text at most ${LARGEST_GROWTH} times as long`;
  checks.expect(growth <= LARGEST_GROWTH, 'ERR_UNSUPPORTED', `tokenizer.json: ${part}`, expected, growth);
}

function growthOf({ type, pattern, content }: Record<string, unknown>): number {
  if (type !== 'Replace' || typeof content !== 'string') return 1;
  const replaced = isObject(pattern) && typeof pattern.String === 'string' ? pattern.String.length : 1;
  return Math.max(1, replaced === 0 ? content.length + 1 : content.length / replaced);
}

/** What is in a group or in the whole pattern, as far as the check needs it. */
interface Level {
  hasChoice: boolean;
  repetitions: number;
  /** Of the current alternative. */
  current: number;
}

/**
 * Checks one regular expression.
 *
 * @param where What to call it in errors.
 */
export function checkPattern(pattern: string, where: string): void {
  const fail = (received: string): never =>
    checks.fail('ERR_UNSUPPORTED', where, 'a regular expression that takes a bounded time', received);
  if (pattern.length > LONGEST_PATTERN) fail(`${pattern.length} characters`);
  const levels: Level[] = [{ hasChoice: false, repetitions: 0, current: 0 }];
  let last: Level | undefined; // the group that has just ended, if one has
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
    if (top.repetitions > MOST_REPETITIONS) fail(summarize(pattern));
  }
}

/** More than a few times: `?` and `{1,3}` are none. */
function isRepetition(quantifier: string): boolean {
  if (quantifier === '?') return false;
  if (quantifier.length === 1) return true;
  const [least = '', most = least] = quantifier.slice(1, -1).split(',');
  return most === '' || Number(most) > 10 || Number(least) > 10;
}

/** Length of an escape or a class that begins at a position, else 1. */
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
