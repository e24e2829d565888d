import { BoundArguments } from './arguments.ts';
import { formatBraces } from './format.ts';
import { Callable, TemplateError, Tuple, iterate, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

/** Python's white space, which differs from JavaScript's. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const SPACES = new RegExp(`[${SPACE}]+`, 'u');
const LINE_ENDS = '\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029';
const LINE_END = new RegExp(`\\r\\n|[${LINE_ENDS}]`, 'u');
const LETTERS = /[\p{L}\p{M}]+/gu;

const isSpace = (character: string): boolean => SPACES.test(character);

/** Removes white space, or the given characters, from the ends of a text. */
export function strip(text: string, side: 'left' | 'right' | 'both', characters: string | undefined): string {
  const set = characters === undefined ? undefined : new Set(characters);
  const goes = (character: string): boolean => (set ? set.has(character) : isSpace(character));
  const all = Array.from(text);
  let [begin, end] = [0, all.length];
  if (side !== 'right') while (begin < end && goes(all[begin])) begin++;
  if (side !== 'left') while (end > begin && goes(all[end - 1])) end--;
  return all.slice(begin, end).join('');
}

/** `str.replace`: replaces the first `count` occurrences, or all if it is negative. */
export function replace(text: string, old: string, replacement: string, count: number): string {
  const parts = old === '' ? ['', ...Array.from(text), ''] : text.split(old);
  const last = count < 0 ? parts.length - 1 : Math.min(count, parts.length - 1);
  return (
    parts.slice(0, last + 1).join(replacement) +
    parts
      .slice(last + 1)
      .map((part) => old + part)
      .join('')
  );
}

/** `str.splitlines`. */
export function splitLines(text: string): string[] {
  const lines = text.split(LINE_END);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** `str.capitalize`. */
export function capitalize(text: string): string {
  const [first = '', ...rest] = Array.from(text);
  return first.toUpperCase() + rest.join('').toLowerCase();
}

function split(text: string, args: Arguments, fromRight: boolean): Value {
  const bound = new BoundArguments('split', ['sep', 'maxsplit'], args);
  const most = bound.integer('maxsplit', -1);
  if (!bound.has('sep')) return splitAtSpaces(text, most, fromRight);
  const separator = bound.text('sep');
  if (separator === '') throw new TemplateError('empty separator');
  const parts = text.split(separator);
  if (most < 0 || parts.length <= most + 1) return parts;
  if (fromRight) {
    return [parts.slice(0, parts.length - most).join(separator), ...parts.slice(parts.length - most)];
  }
  return [...parts.slice(0, most), parts.slice(most).join(separator)];
}

function splitAtSpaces(text: string, most: number, fromRight: boolean): string[] {
  const words = text.split(SPACES).filter((word) => word !== '');
  if (most < 0 || words.length <= most) return words;
  const taken = fromRight ? words.slice(words.length - most) : words.slice(0, most);
  let rest = text;
  for (const word of fromRight ? taken.toReversed() : taken) {
    rest = strip(rest, fromRight ? 'right' : 'left', undefined);
    rest = fromRight ? rest.slice(0, rest.length - word.length) : rest.slice(word.length);
  }
  rest = strip(rest, fromRight ? 'right' : 'left', undefined);
  if (rest === '') return taken;
  return fromRight ? [rest, ...taken] : [...taken, rest];
}

function affix(text: string, name: 'startsWith' | 'endsWith', { positional }: Arguments): boolean {
  const [given] = positional;
  const candidates = given instanceof Tuple ? given.items : [given];
  return candidates.some((candidate) => {
    if (typeof candidate !== 'string')
      throw new TemplateError(`an affix must be a string, not ${typeName(candidate)}`);
    return text[name](candidate);
  });
}

function only(name: string, parameters: string[], args: Arguments): BoundArguments {
  return new BoundArguments(name, parameters, args);
}

function stripper(side: 'left' | 'right' | 'both') {
  return (text: string, args: Arguments): Value => {
    const bound = only('strip', ['chars'], args);
    return strip(text, side, bound.has('chars') ? bound.text('chars') : undefined);
  };
}

const indexOf = (text: string, part: string): number => {
  const index = text.indexOf(part);
  return index < 0 ? index : Array.from(text.slice(0, index)).length;
};

/** String methods that templates use. */
const METHODS: Readonly<Record<string, (text: string, args: Arguments) => Value>> = {
  strip: stripper('both'),
  lstrip: stripper('left'),
  rstrip: stripper('right'),
  upper: (text) => text.toUpperCase(),
  lower: (text) => text.toLowerCase(),
  title: (text) => text.replace(LETTERS, capitalize),
  capitalize,
  split: (text, args) => split(text, args, false),
  rsplit: (text, args) => split(text, args, true),
  splitlines: (text) => splitLines(text),
  startswith: (text, args) => affix(text, 'startsWith', args),
  endswith: (text, args) => affix(text, 'endsWith', args),
  removeprefix(text, args) {
    const prefix = only('removeprefix', ['prefix'], args).text('prefix');
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix(text, args) {
    const suffix = only('removesuffix', ['suffix'], args).text('suffix');
    return suffix !== '' && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  replace(text, args) {
    const bound = only('replace', ['old', 'new', 'count'], args);
    return replace(text, bound.text('old'), bound.text('new'), bound.integer('count', -1));
  },
  find: (text, args) => indexOf(text, only('find', ['sub'], args).text('sub')),
  count: (text, args) => {
    const part = only('count', ['sub'], args).text('sub');
    return part === '' ? Array.from(text).length + 1 : text.split(part).length - 1;
  },
  join(text, { positional }) {
    const parts = iterate(positional[0]).map((part) => {
      if (typeof part !== 'string') throw new TemplateError(`expected str instance, ${typeName(part)} found`);
      return part;
    });
    return parts.join(text);
  },
  format: formatBraces,
  isdigit: (text) => /^\p{Nd}+$/u.test(text),
  isalpha: (text) => /^\p{L}+$/u.test(text),
  isalnum: (text) => /^[\p{L}\p{N}]+$/u.test(text),
  isspace: (text) => text !== '' && Array.from(text).every(isSpace),
  isupper: (text) => text !== text.toLowerCase() && text === text.toUpperCase(),
  islower: (text) => text !== text.toUpperCase() && text === text.toLowerCase(),
  zfill: (text, args) => text.padStart(only('zfill', ['width'], args).integer('width'), '0'),
};

/** A string's method, or `undefined`. */
export function stringMethod(text: string, name: string): Callable | undefined {
  if (!Object.hasOwn(METHODS, name)) return undefined;
  return new Callable((args) => METHODS[name](text, args));
}

/** Counts words. */
export function countWords(text: string): number {
  return text.match(/[\p{L}\p{N}_]+/gu)?.length ?? 0;
}
