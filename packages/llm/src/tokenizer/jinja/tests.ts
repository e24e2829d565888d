import { BoundArguments } from './arguments.ts';
import {
  Callable,
  Float,
  TemplateError,
  Tuple,
  asNumber,
  compare,
  contains,
  isEqual,
  isList,
  isMap,
  typeName,
} from './values.ts';
import type { Arguments, Value } from './values.ts';

/** A test. Takes the value before `is` and the arguments after the test's name. */
type Test = (value: Value, args: Arguments) => boolean;

function integer(value: Value): number {
  const number = value instanceof Float ? undefined : asNumber(value);
  if (number === undefined) throw new TemplateError(`expected an integer, received '${typeName(value)}'`);
  return number;
}

const other = (args: Arguments): Value => new BoundArguments('test', ['other'], args).get('other');
const isOrdered =
  (holds: (order: number) => boolean): Test =>
  (value, args) =>
    holds(compare(value, other(args)));
const equal: Test = (value, args) => isEqual(value, other(args));
const unequal: Test = (value, args) => !isEqual(value, other(args));
const less = isOrdered((order) => order < 0);
const atMost = isOrdered((order) => order <= 0);
const greater = isOrdered((order) => order > 0);
const atLeast = isOrdered((order) => order >= 0);
const isNumber: Test = (value) => asNumber(value) !== undefined;

const TESTS: Readonly<Record<string, Test>> = {
  defined: (value) => value !== undefined,
  undefined: (value) => value === undefined,
  none: (value) => value === null,
  boolean: (value) => typeof value === 'boolean',
  true: (value) => value === true,
  false: (value) => value === false,
  integer: (value) => typeof value === 'number',
  float: (value) => value instanceof Float,
  number: isNumber,
  string: (value) => typeof value === 'string',
  mapping: isMap,
  iterable: (value) =>
    isList(value) ||
    isMap(value) ||
    value instanceof Tuple ||
    typeof value === 'string' ||
    value === undefined,
  sequence: (value) =>
    isList(value) ||
    isMap(value) ||
    value instanceof Tuple ||
    typeof value === 'string' ||
    value === undefined,
  callable: (value) => value instanceof Callable,
  odd: (value) => integer(value) % 2 !== 0,
  even: (value) => integer(value) % 2 === 0,
  divisibleby: (value, args) => integer(value) % integer(other(args)) === 0,
  lower: (value) =>
    typeof value === 'string' && value !== value.toUpperCase() && value === value.toLowerCase(),
  upper: (value) =>
    typeof value === 'string' && value !== value.toLowerCase() && value === value.toUpperCase(),
  in: (value, args) => contains(other(args), value),
  sameas: (value, args) => value === other(args),
  eq: equal,
  equalto: equal,
  '==': equal,
  ne: unequal,
  '!=': unequal,
  lt: less,
  lessthan: less,
  '<': less,
  le: atMost,
  '<=': atMost,
  gt: greater,
  greaterthan: greater,
  '>': greater,
  ge: atLeast,
  '>=': atLeast,
};

/**
 * Evaluates a test.
 *
 * @throws TemplateError for an unknown test.
 */
export function test(
  name: string,
  value: Value,
  args: Arguments = { positional: [], named: new Map() },
): boolean {
  if (!Object.hasOwn(TESTS, name)) throw new TemplateError(`no test named '${name}'`);
  return TESTS[name](value, args);
}
