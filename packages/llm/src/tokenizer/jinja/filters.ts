import { BoundArguments } from './arguments.ts';
import type { Budget } from './budget.ts';
import { formatPercent, numeric, round } from './format.ts';
import { itemOf } from './members.ts';
import { capitalize, countWords, replace, splitLines, strip } from './strings.ts';
import { test } from './tests.ts';
import { toJson } from './to_json.ts';
import {
  Float,
  TemplateError,
  Tuple,
  asNumber,
  compare,
  isEqual,
  isList,
  isMap,
  isTrue,
  iterate,
  lengthOf,
  toText,
  typeName,
} from './values.ts';
import type { Arguments, Key, Value } from './values.ts';

/** What filters share with the interpreter. */
export interface FilterContext {
  budget: Budget;
}

type Filter = (value: Value, args: Arguments, context: FilterContext) => Value;

const MAX_ITEMS = 1_000_000;

/**
 * Applies a filter.
 *
 * @throws TemplateError for an unknown filter, and for values that the filter does not accept.
 */
export function applyFilter(name: string, value: Value, args: Arguments, context: FilterContext): Value {
  if (!Object.hasOwn(FILTERS, name)) throw new TemplateError(`no filter named '${name}'`);
  if (typeof value === 'string') context.budget.spendText(value.length);
  else if (isList(value) || isMap(value) || value instanceof Tuple) context.budget.spend(lengthOf(value));
  return FILTERS[name](value, args, context);
}

function text(value: Value): string {
  return toText(value);
}

/** An item's attribute, by a path such as `a.b` or by an index. */
function attribute(item: Value, path: Value): Value {
  if (typeof path === 'number') return itemOf(item, path);
  return toText(path)
    .split('.')
    .reduce((value, part) => itemOf(value, /^\d+$/.test(part) ? Number(part) : part), item);
}

/** The key by which `sort` and similar filters compare items. */
function sortKey(args: BoundArguments, value: Value): Value {
  const key = args.has('attribute') ? attribute(value, args.get('attribute')) : value;
  return typeof key === 'string' && !isTrue(args.get('case_sensitive')) ? key.toLowerCase() : key;
}

function sorted(items: readonly Value[], key: (item: Value) => Value, reverse: boolean): Value[] {
  const ordered = (reverse ? items.toReversed() : items)
    .map((item) => [key(item), item] as const)
    .toSorted(([a], [b]) => compare(a, b))
    .map(([, item]) => item);
  return reverse ? ordered.toReversed() : ordered;
}

function extreme(sign: 1 | -1): Filter {
  return (value, args) => {
    const bound = new BoundArguments('min', ['case_sensitive', 'attribute'], args);
    const items = iterate(value);
    return items.reduce<Value>(
      (best, item, i) =>
        i === 0 || sign * compare(sortKey(bound, item), sortKey(bound, best)) < 0 ? item : best,
      undefined,
    );
  };
}

/** `select` and `reject`, or with `byAttribute` `selectattr` and `rejectattr`. */
function selecting(keep: boolean, byAttribute: boolean): Filter {
  return (value, { positional, named }) => {
    const [path, ...rest] = byAttribute ? positional : [undefined, ...positional];
    const [name, ...args] = rest;
    return iterate(value).filter((item) => {
      const tested = byAttribute ? attribute(item, path) : item;
      const holds =
        name === undefined ? isTrue(tested) : test(toText(name), tested, { positional: args, named });
      return holds === keep;
    });
  };
}

const map: Filter = (value, { positional, named }, context) => {
  const items = iterate(value);
  if (named.has('attribute')) {
    const path = named.get('attribute');
    return items.map((item) => attribute(item, path) ?? named.get('default'));
  }
  const [name, ...args] = positional;
  return items.map((item) => applyFilter(toText(name), item, { positional: args, named }, context));
};

const join: Filter = (value, args, { budget }) => {
  const bound = new BoundArguments('join', ['d', 'attribute'], args);
  const items = bound.has('attribute')
    ? iterate(value).map((item) => attribute(item, bound.get('attribute')))
    : iterate(value);
  const separator = bound.has('d') ? text(bound.get('d')) : '';
  const texts = items.map(text);
  budget.spendText(texts.reduce((sum, { length }) => sum + length + separator.length, 0));
  return texts.join(separator);
};

const indent: Filter = (value, args, { budget }) => {
  const bound = new BoundArguments('indent', ['width', 'first', 'blank'], args);
  const width = bound.get('width') ?? 4;
  if (typeof width !== 'string' && typeof width !== 'number') throw new TemplateError('indent: a width');
  const size = typeof width === 'number' ? width : width.length;
  const lines = splitLines(`${text(value)}\n`);
  budget.spendText(lines.length * Math.max(0, size));
  const by = typeof width === 'string' ? width : ' '.repeat(Math.max(0, width));
  const blank = isTrue(bound.get('blank'));
  const rest = lines.map((line, i) => (i > 0 && (blank || line !== '') ? by + line : line)).join('\n');
  return isTrue(bound.get('first')) ? by + rest : rest;
};

const json: Filter = (value, args) => {
  const bound = new BoundArguments('tojson', ['ensure_ascii', 'indent', 'separators', 'sort_keys'], args);
  const width = bound.get('indent');
  const level = typeof width === 'number' ? ' '.repeat(Math.min(Math.max(0, width), 100)) : width;
  const separators = bound.has('separators') ? iterate(bound.get('separators')).map(text) : undefined;
  return toJson(value, {
    ensureAscii: isTrue(bound.get('ensure_ascii')),
    indent: typeof level === 'string' ? level : undefined,
    separators: separators ? [separators[0], separators[1]] : [typeof level === 'string' ? ',' : ', ', ': '],
    sortKeys: isTrue(bound.get('sort_keys')),
  });
};

function toInteger(value: Value): number | undefined {
  if (typeof value !== 'string') {
    const number = asNumber(value);
    return number === undefined ? undefined : Math.trunc(number);
  }
  const trimmed = strip(value, 'both', undefined);
  return /^[+-]?(\d[\d_]*)?(\.\d*)?(e[+-]?\d+)?$/i.test(trimmed) && /\d/.test(trimmed)
    ? Math.trunc(Number(trimmed.replaceAll('_', '')))
    : undefined;
}

function toFloat(value: Value): number | undefined {
  if (typeof value !== 'string') return asNumber(value);
  const trimmed = strip(value, 'both', undefined);
  return trimmed !== '' && Number.isFinite(Number(trimmed)) ? Number(trimmed) : undefined;
}

const getDefault: Filter = (value, args) => {
  const bound = new BoundArguments('default', ['default_value', 'boolean'], args);
  const replacement = bound.get('default_value');
  const missing = value === undefined || (isTrue(bound.get('boolean')) && !isTrue(value));
  if (!missing) return value;
  return args.positional.length > 0 || args.named.has('default_value') ? replacement : '';
};

const length: Filter = (value) => lengthOf(value);

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};
const escape: Filter = (value) => text(value).replace(/[&<>"']/g, (character) => escapes[character]);

const pairs = (value: Value): Value[] => {
  if (value === undefined) return [];
  if (!isMap(value)) throw new TemplateError('Can only get item pairs from a mapping.');
  return [...value].map((pair) => new Tuple(pair));
};

const FILTERS: Readonly<Record<string, Filter>> = {
  abs(value) {
    const number = asNumber(value);
    if (number === undefined) throw new TemplateError(`bad operand type for abs(): '${typeName(value)}'`);
    return numeric(Math.abs(number), value instanceof Float);
  },
  batch(value, args) {
    const bound = new BoundArguments('batch', ['linecount', 'fill_with'], args);
    const size = bound.integer('linecount');
    if (size < 1) throw new TemplateError('batch: linecount must be positive');
    const all = iterate(value);
    const rows = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
      all.slice(i * size, (i + 1) * size),
    );
    if (!bound.has('fill_with')) return rows;
    return rows.map((row) => [...row, ...Array<Value>(size - row.length).fill(bound.get('fill_with'))]);
  },
  capitalize: (value) => capitalize(text(value)),
  count: length,
  d: getDefault,
  default: getDefault,
  dictsort(value, args) {
    const bound = new BoundArguments('dictsort', ['case_sensitive', 'by', 'reverse'], args);
    const index = bound.text('by', 'key') === 'key' ? 0 : 1;
    const fold = (item: Value): Value =>
      typeof item === 'string' && !isTrue(bound.get('case_sensitive')) ? item.toLowerCase() : item;
    return sorted(pairs(value), (pair) => fold(iterate(pair)[index]), isTrue(bound.get('reverse')));
  },
  e: escape,
  escape,
  first: (value) => iterate(value)[0],
  float(value, args) {
    const fallback = new BoundArguments('float', ['default'], args).get('default') ?? new Float(0);
    const number = toFloat(value);
    return number === undefined ? fallback : new Float(number);
  },
  format: (value, { positional }) => formatPercent(text(value), new Tuple(positional)),
  indent,
  int(value, args) {
    const fallback = new BoundArguments('int', ['default', 'base'], args).get('default') ?? 0;
    const number = toInteger(value);
    return number === undefined ? fallback : numeric(number, false);
  },
  items: (value) => pairs(value),
  join,
  last: (value) => iterate(value).at(-1),
  length,
  list: (value) => [...iterate(value)],
  lower: (value) => text(value).toLowerCase(),
  map,
  max: extreme(-1),
  min: extreme(1),
  reject: selecting(false, false),
  rejectattr: selecting(false, true),
  replace(value, args, { budget }) {
    const bound = new BoundArguments('replace', ['old', 'new', 'count'], args);
    const [from, to] = [text(bound.get('old')), text(bound.get('new'))];
    const whole = text(value);
    budget.spendText(whole.length * (1 + to.length / Math.max(1, from.length)));
    return replace(whole, from, to, bound.integer('count', -1));
  },
  reverse: (value) =>
    typeof value === 'string' ? Array.from(value).toReversed().join('') : iterate(value).toReversed(),
  round(value, args) {
    const bound = new BoundArguments('round', ['precision', 'method'], args);
    const number = asNumber(value);
    const precision = bound.integer('precision', 0);
    if (number === undefined || bound.text('method', 'common') !== 'common')
      throw new TemplateError('round: a number');
    return numeric(round(number, precision), value instanceof Float);
  },
  safe: (value) => value,
  select: selecting(true, false),
  selectattr: selecting(true, true),
  sort(value, args) {
    const bound = new BoundArguments('sort', ['reverse', 'case_sensitive', 'attribute'], args);
    return sorted(iterate(value), (item) => sortKey(bound, item), isTrue(bound.get('reverse')));
  },
  string: text,
  sum(value, args) {
    const bound = new BoundArguments('sum', ['attribute', 'start'], args);
    const all = iterate(value).map((item) =>
      bound.has('attribute') ? attribute(item, bound.get('attribute')) : item,
    );
    const numbers = [bound.get('start') ?? 0, ...all].map((item) => {
      const number = asNumber(item);
      if (number === undefined) throw new TemplateError(`sum: '${typeName(item)}' is no number`);
      return number;
    });
    return numeric(
      numbers.reduce((a, b) => a + b),
      all.some((item) => item instanceof Float),
    );
  },
  title: (value) =>
    text(value)
      .split(/([-\s({[<]+)/)
      .map(capitalize)
      .join(''),
  tojson: json,
  trim(value, args) {
    const bound = new BoundArguments('trim', ['chars'], args);
    return strip(text(value), 'both', bound.has('chars') ? bound.text('chars') : undefined);
  },
  unique(value, args) {
    const bound = new BoundArguments('unique', ['case_sensitive', 'attribute'], args);
    const all = iterate(value);
    if (all.length > MAX_ITEMS) throw new TemplateError('unique: too many items');
    const seen = new Set<Value>();
    return all.filter((item) => {
      const key = sortKey(bound, item);
      const known = isKey(key) ? seen.has(key) : [...seen].some((other) => isEqual(other, key));
      if (!known) seen.add(key);
      return !known;
    });
  },
  upper: (value) => text(value).toUpperCase(),
  wordcount: (value) => countWords(text(value)),
};

function isKey(value: Value): value is Key {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}
