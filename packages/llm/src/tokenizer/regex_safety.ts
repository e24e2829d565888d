import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import { isObject } from './tokenizer_json.ts';

const MAX_PATTERN_LENGTH = 10_000;
/** Maximum number of unbounded repetitions in one alternative; real patterns have two. */
const MAX_REPETITIONS = 3;
/** Maximum factor by which a normalizer may lengthen a text. */
const MAX_GROWTH = 1024;
const MAX_STEPS = 100;

const checks = new Checks('Tokenizer');

/**
 * Checks that a tokenizer.json's regular expressions cannot take exponential time, nor its replacements exponential
 * space. A repetition inside a repetition, or of alternatives, may match the same text in exponentially many ways.
 *
 * @returns The highest {@link checkPattern} of its patterns.
 * @throws AttentionError `ERR_UNSUPPORTED`, naming the part.
 */
export function checkSteps(part: string, step: object | null): number {
  let degree = 0;
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
    if (typeof value.Regex === 'string') degree = Math.max(degree, checkPattern(value.Regex, where));
    growth *= growthOf(value);
    for (const [key, item] of Object.entries(value)) visit(item, `${where}: ${key}`);
  };
  visit(step, `tokenizer.json: ${part}`);
  const expected = `replacements that make a text at most ${MAX_GROWTH} times as long`;
  checks.expect(growth <= MAX_GROWTH, 'ERR_UNSUPPORTED', `tokenizer.json: ${part}`, expected, growth);
  return degree;
}

function growthOf({ type, pattern, content }: Record<string, unknown>): number {
  if (type !== 'Replace' || typeof content !== 'string') return 1;
  const replaced = isObject(pattern) && typeof pattern.String === 'string' ? pattern.String.length : 1;
  return Math.max(1, replaced === 0 ? content.length + 1 : content.length / replaced);
}

/** What the check needs to know about a group, or about the whole pattern. */
interface Level {
  hasChoice: boolean;
  /** The most repetitions in an alternative. */
  repetitions: number;
  /** Repetitions in the current alternative. */
  current: number;
  /** Whether something that must match follows the last repetition of the current alternative. */
  canFail: boolean;
  /** The highest power of an alternative, see {@link checkPattern}. */
  degree: number;
}

const newLevel = (): Level => ({ hasChoice: false, repetitions: 0, current: 0, canFail: false, degree: 0 });

/** Notes the end of an alternative. What ends with a repetition has matched: it never tries another length. */
function endAlternative(level: Level): void {
  const retried = level.current > 0 && !level.canFail ? level.current - 1 : level.current;
  level.degree = Math.max(level.degree, retried);
  level.current = 0;
  level.canFail = false;
}

/**
 * Checks one regular expression.
 *
 * @param where The part's name in error messages.
 * @returns The number of repetitions that are retried with every length, one inside the other, where the rest does not match:
 * a match takes at most that power of the text's length.
 */
export function checkPattern(pattern: string, where: string): number {
  const fail = (received: string): never =>
    checks.fail('ERR_UNSUPPORTED', where, 'a regular expression that takes a bounded time', received);
  if (pattern.length > MAX_PATTERN_LENGTH) fail(`${pattern.length} characters`);
  const levels = [newLevel()];
  let last: Level | undefined; // the group that ended just before this position
  for (let i = 0; i < pattern.length; i++) {
    const top = levels[levels.length - 1];
    const ended = last;
    last = undefined;
    const length = atomLength(pattern, i);
    if (length > 1) {
      i += length - 1;
      top.canFail ||= !isOptional(pattern, i + 1);
    } else if (pattern[i] === '(') {
      levels.push(newLevel());
      i += (/^\((?:\?(?:[:=!>]|<[=!]|[a-z-]*:|<\w+>))?/.exec(pattern.slice(i, i + 50))?.[0].length ?? 1) - 1;
    } else if (pattern[i] === ')' && levels.length > 1) {
      last = top;
      levels.pop();
      const outer = levels[levels.length - 1];
      const endsWithRepetition = top.current > 0 && !top.canFail && !top.hasChoice;
      outer.current += top.repetitions;
      if (endsWithRepetition) outer.canFail = false;
      else outer.canFail ||= !isOptional(pattern, i + 1);
    } else if (pattern[i] === '|') {
      top.hasChoice = true;
      endAlternative(top);
    } else {
      const quantifier = /^(?:[*+?]|\{\d*(?:,\d*)?\})/.exec(pattern.slice(i, i + 20))?.[0];
      if (quantifier === undefined) {
        top.canFail ||= !isOptional(pattern, i + 1);
        continue;
      }
      i += quantifier.length - 1;
      if (!isRepetition(quantifier)) {
        top.canFail ||= !/^(?:\?|\{0?,|\{0\})/.test(quantifier);
        continue;
      }
      if (ended && (ended.hasChoice || ended.repetitions > 0)) fail(summarize(pattern));
      top.current++;
      top.canFail = false;
    }
    top.repetitions = Math.max(top.repetitions, top.current);
    if (top.repetitions > MAX_REPETITIONS) fail(summarize(pattern));
  }
  const [whole] = levels;
  endAlternative(whole);
  return whole.degree;
}

/** Whether what ends before `position` may match nothing, or is repeated: the quantifier says the rest. */
function isOptional(pattern: string, position: number): boolean {
  return /^[*+?{]/.test(pattern.slice(position, position + 1));
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
