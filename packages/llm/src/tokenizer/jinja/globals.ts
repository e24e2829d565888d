import { BoundArguments } from './arguments.ts';
import { strftime } from './strftime.ts';
import { Callable, Namespace, TemplateError, isMap, iterate, toText } from './values.ts';
import type { Arguments, Key, Value } from './values.ts';

/** The limit of jinja2's sandbox. */
const MAX_RANGE = 100_000;

function range({ positional }: Arguments): Value {
  const numbers = positional.map((value) => {
    if (typeof value !== 'number') throw new TemplateError('range() takes integers');
    return value;
  });
  const [start, stop, step] =
    numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1];
  if (numbers.length < 1 || numbers.length > 3 || step === 0)
    throw new TemplateError('range() takes 1 to 3 integers');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > MAX_RANGE) throw new TemplateError(`a range of more than ${MAX_RANGE} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
}

function entries({ positional, named }: Arguments): [Key, Value][] {
  const [source] = positional;
  if (positional.length > 1) throw new TemplateError('dict() takes one mapping');
  const given = isMap(source) ? [...source] : iterate(source).map((pair) => iterate(pair) as [Key, Value]);
  return [...given, ...named];
}

function namespace(args: Arguments): Value {
  const made = new Namespace();
  for (const [key, value] of entries(args)) made.values.set(toText(key), value);
  return made;
}

/** Global functions and variables that every template can use. */
export const GLOBALS: Readonly<Record<string, Value>> = {
  range: new Callable(range),
  dict: new Callable((args) => new Map(entries(args))),
  namespace: new Callable(namespace),
  strftime_now: new Callable((args) =>
    strftime(new Date(), new BoundArguments('strftime_now', ['format'], args).text('format')),
  ),
  raise_exception: new Callable((args) => {
    throw new TemplateError(toText(new BoundArguments('raise_exception', ['message'], args).get('message')));
  }),
};
