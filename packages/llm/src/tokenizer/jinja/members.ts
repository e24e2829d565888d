import { BoundArguments } from './arguments.ts';
import { stringMethod } from './strings.ts';
import {
  Callable,
  Namespace,
  TemplateError,
  Tuple,
  isEqual,
  isList,
  isMap,
  iterate,
  toText,
  typeName,
} from './values.ts';
import type { Arguments, Key, Value } from './values.ts';

type Mapping = ReadonlyMap<Key, Value>;

/** The read-only methods of dictionaries; jinja2's sandbox refuses the others. */
const MAP_METHODS: Readonly<Record<string, (map: Mapping, args: Arguments) => Value>> = {
  keys: (map) => [...map.keys()],
  values: (map) => [...map.values()],
  items: (map) => [...map].map((pair) => new Tuple(pair)),
  copy: (map) => map,
  get(map, args) {
    const given = new BoundArguments('get', ['key', 'default'], args);
    const key = given.get('key') as Key;
    return map.has(key) ? map.get(key) : (given.get('default') ?? null);
  },
};

const LIST_METHODS: Readonly<Record<string, (list: readonly Value[], args: Arguments) => Value>> = {
  copy: (list) => list,
  count: (list, { positional }) => list.filter((item) => isEqual(item, positional[0])).length,
  index(list, { positional }) {
    const index = list.findIndex((item) => isEqual(item, positional[0]));
    if (index < 0) throw new TemplateError('the list does not have this item');
    return index;
  },
};

function methodOf(value: Value, name: string): Callable | undefined {
  if (typeof value === 'string') return stringMethod(value, name);
  if (isMap(value) && Object.hasOwn(MAP_METHODS, name))
    return new Callable((args) => MAP_METHODS[name](value, args));
  if ((isList(value) || value instanceof Tuple) && Object.hasOwn(LIST_METHODS, name)) {
    return new Callable((args) => LIST_METHODS[name](iterate(value), args));
  }
  return undefined;
}

/** `value.name`: a method first, then an item. */
export function memberOf(value: Value, name: string): Value {
  if (value === undefined) throw new TemplateError(`'Undefined' has no attribute '${name}'`);
  if (value instanceof Namespace) return value.values.get(name);
  return methodOf(value, name) ?? (isMap(value) ? value.get(name) : undefined);
}

/** `value[key]`: an item first, then a method. */
export function itemOf(value: Value, key: Value): Value {
  if (value === undefined) throw new TemplateError(`'Undefined' has no items`);
  if (value instanceof Namespace) return typeof key === 'string' ? value.values.get(key) : undefined;
  if (isMap(value)) {
    if (value.has(key as Key)) return value.get(key as Key);
  } else if (
    typeof key === 'number' &&
    (typeof value === 'string' || isList(value) || value instanceof Tuple)
  ) {
    return iterate(value).at(key);
  }
  return typeof key === 'string' ? methodOf(value, key) : undefined;
}

/** `value[start:stop:step]`. */
export function sliceOf(value: Value, start: Value, stop: Value, step: Value): Value {
  if (typeof value !== 'string' && !isList(value) && !(value instanceof Tuple)) {
    throw new TemplateError(`'${typeName(value)}' object cannot be sliced`);
  }
  const items = iterate(value);
  const by = bound(step) ?? 1;
  if (by === 0) throw new TemplateError('slice step cannot be zero');
  const { length } = items;
  const [lowest, highest] = by > 0 ? [0, length] : [-1, length - 1];
  const clamp = (given: Value, fallback: number): number => {
    const index = bound(given);
    if (index === undefined) return fallback;
    return Math.min(Math.max(index < 0 ? index + length : index, lowest), highest);
  };
  const begin = clamp(start, by > 0 ? 0 : length - 1);
  const end = clamp(stop, by > 0 ? length : -1);
  const taken: Value[] = [];
  for (let i = begin; by > 0 ? i < end : i > end; i += by) taken.push(items[i]);
  if (typeof value === 'string') return taken.map(toText).join('');
  return value instanceof Tuple ? new Tuple(taken) : taken;
}

function bound(index: Value): number | undefined {
  if (index === undefined || index === null) return undefined;
  if (typeof index !== 'number') throw new TemplateError('slice indices must be integers');
  return index;
}
