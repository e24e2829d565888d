import type { Budget } from './budget.ts';
import { formatPercent, numeric } from './format.ts';
import {
  Float,
  TemplateError,
  Tuple,
  asNumber,
  compare,
  contains,
  isEqual,
  isList,
  iterate,
  toText,
  typeName,
} from './values.ts';
import type { Value } from './values.ts';

const MAX_ITEMS = 1_000_000;

/** Applies a binary operator other than `and` and `or`, which may not evaluate their right side. */
export function operate(operator: string, left: Value, right: Value, budget: Budget): Value {
  switch (operator) {
    case '==':
      return isEqual(left, right);
    case '!=':
      return !isEqual(left, right);
    case 'in':
      return contains(right, left);
    case 'not in':
      return !contains(right, left);
    case '~':
      return concatenate(toText(left), toText(right), budget);
    case '<':
      return compare(left, right) < 0;
    case '<=':
      return compare(left, right) <= 0;
    case '>':
      return compare(left, right) > 0;
    case '>=':
      return compare(left, right) >= 0;
    default:
      return calculate(operator, left, right, budget);
  }
}

function concatenate(left: string, right: string, budget: Budget): string {
  budget.spendText(left.length + right.length);
  return left + right;
}

function calculate(operator: string, left: Value, right: Value, budget: Budget): Value {
  if (typeof left === 'string' && operator === '%') return formatPercent(left, right);
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== undefined && b !== undefined) {
    return arithmetic(operator, a, b, left instanceof Float || right instanceof Float);
  }
  if (operator === '+') {
    if (typeof left === 'string' && typeof right === 'string') return concatenate(left, right, budget);
    if (isList(left) && isList(right)) return bounded([...left, ...right], budget);
    if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  }
  if (operator === '*') {
    const [value, times] = b === undefined ? [right, a] : [left, b];
    if (times !== undefined && Number.isInteger(times)) return repeat(value, Math.max(0, times), budget);
  }
  throw new TemplateError(
    `unsupported operand types for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
  );
}

function bounded(items: Value[], budget: Budget): Value[] {
  if (items.length > MAX_ITEMS) throw new TemplateError(`a list of more than ${MAX_ITEMS} items`);
  budget.spend(items.length);
  return items;
}

function repeat(value: Value, times: number, budget: Budget): Value {
  if (typeof value === 'string') {
    budget.spendText(value.length * times);
    return value.repeat(times);
  }
  if (!isList(value)) throw new TemplateError(`'${typeName(value)}' cannot be repeated`);
  const length = value.length * times;
  if (length > MAX_ITEMS) throw new TemplateError(`a list of more than ${MAX_ITEMS} items`);
  return bounded(
    Array.from({ length }, (_, i) => iterate(value)[i % value.length]),
    budget,
  );
}

function arithmetic(operator: string, a: number, b: number, isFloat: boolean): Value {
  if (b === 0 && ['/', '//', '%'].includes(operator)) throw new TemplateError('division by zero');
  switch (operator) {
    case '+':
      return numeric(a + b, isFloat);
    case '-':
      return numeric(a - b, isFloat);
    case '*':
      return numeric(a * b, isFloat);
    case '/':
      return new Float(a / b);
    case '//':
      return numeric(Math.floor(a / b), isFloat);
    case '%':
      return numeric(a - b * Math.floor(a / b), isFloat);
    case '**':
      return numeric(a ** b, isFloat || b < 0);
    default:
      throw new TemplateError(`no operator ${operator}`);
  }
}
