/** Why a template cannot be parsed or rendered. */
export class TemplateError extends Error {
  override name = 'TemplateError';
}

/** A floating-point number. Python distinguishes 2.0 from 2; JavaScript does not. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A tuple, which Python prints differently from a list. */
export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** The result of `namespace()`: the only object that a template can modify. */
export class Namespace {
  readonly values = new Map<string, Value>();
}

/** Arguments of a call. */
export interface Arguments {
  positional: Value[];
  named: Map<string, Value>;
}

/** A callable value. */
export class Callable {
  readonly call: (args: Arguments) => Value;

  constructor(call: (args: Arguments) => Value) {
    this.call = call;
  }
}

/** A dictionary key. */
export type Key = string | number | boolean | null;

/**
 * A value in a template. `null` is None, `undefined` is jinja2's Undefined, a number is an integer, an array is a list,
 * a Map is a dictionary.
 */
export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | Float
  | Tuple
  | Namespace
  | Callable
  | readonly Value[]
  | ReadonlyMap<Key, Value>;

const MAX_DEPTH = 100;

/**
 * Converts a JavaScript value to a template's value.
 *
 * @throws TemplateError for anything but JSON values, and for values that are nested too deeply.
 */
export function fromJavaScript(value: unknown, name: string, depth = 0): Value {
  if (depth > MAX_DEPTH) throw new TemplateError(`${name} is nested more than ${MAX_DEPTH} times`);
  if (value === null || value === undefined || typeof value === 'string' || typeof value === 'boolean') {
    return value;
  }
  if (typeof value === 'number') return Number.isInteger(value) ? value : new Float(value);
  if (Array.isArray(value)) return value.map((item) => fromJavaScript(item, name, depth + 1));
  if (typeof value !== 'object') throw new TemplateError(`${name} has a ${typeof value}`);
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return new Map(entries.map(([key, item]) => [key, fromJavaScript(item, name, depth + 1)]));
}

/** Whether a value is a dictionary. */
export function isMap(value: Value): value is ReadonlyMap<Key, Value> {
  return value instanceof Map;
}

/** Whether a value is a list. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

/** The numeric value of a number or boolean (True is 1), else `undefined`. */
export function asNumber(value: Value): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return Number(value);
  return value instanceof Float ? value.value : undefined;
}

/** Python's name for a value's type. */
export function typeName(value: Value): string {
  if (value === null) return 'NoneType';
  if (value === undefined) return 'Undefined';
  if (typeof value === 'string') return 'str';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return 'int';
  if (value instanceof Float) return 'float';
  if (value instanceof Tuple) return 'tuple';
  if (value instanceof Namespace) return 'Namespace';
  if (value instanceof Callable) return 'function';
  return isMap(value) ? 'dict' : 'list';
}

/** A value's truth, as in an `if`. */
export function isTrue(value: Value): boolean {
  if (isList(value)) return value.length > 0;
  if (isMap(value)) return value.size > 0;
  if (value instanceof Tuple) return value.items.length > 0;
  if (value instanceof Float) return value.value !== 0;
  return Boolean(value);
}

/** The items that a loop over a value visits. */
export function iterate(value: Value): readonly Value[] {
  if (isList(value)) return value;
  if (value instanceof Tuple) return value.items;
  if (typeof value === 'string') return Array.from(value);
  if (isMap(value)) return [...value.keys()];
  if (value === undefined) return [];
  throw new TemplateError(`'${typeName(value)}' object is not iterable`);
}

/** `len()`. */
export function lengthOf(value: Value): number {
  if (typeof value === 'string') return codePoints(value);
  if (isMap(value)) return value.size;
  if (isList(value) || value instanceof Tuple || value === undefined) return iterate(value).length;
  throw new TemplateError(`object of type '${typeName(value)}' has no len()`);
}

function codePoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    if (text.codePointAt(i)! > 0xffff) i++;
    count++;
  }
  return count;
}

/** `==`. */
export function isEqual(a: Value, b: Value): boolean {
  const [x, y] = [asNumber(a), asNumber(b)];
  if (x !== undefined && y !== undefined) return x === y;
  if ((isList(a) && isList(b)) || (a instanceof Tuple && b instanceof Tuple)) {
    const [left, right] = [iterate(a), iterate(b)];
    return left.length === right.length && left.every((item, i) => isEqual(item, right[i]));
  }
  if (isMap(a) && isMap(b)) {
    return a.size === b.size && [...a].every(([key, item]) => b.has(key) && isEqual(item, b.get(key)));
  }
  return a === b;
}

/** Compares two values. The result is negative, 0 or positive if `a` is less than, equal to or greater than `b`. */
export function compare(a: Value, b: Value): number {
  const [x, y] = [asNumber(a), asNumber(b)];
  if (x !== undefined && y !== undefined) return x - y;
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  if ((isList(a) && isList(b)) || (a instanceof Tuple && b instanceof Tuple)) {
    const [left, right] = [iterate(a), iterate(b)];
    const different = left.findIndex((item, i) => i >= right.length || !isEqual(item, right[i]));
    if (different === -1 || different >= right.length) return left.length - right.length;
    return compare(left[different], right[different]);
  }
  throw new TemplateError(`'${typeName(a)}' and '${typeName(b)}' cannot be compared`);
}

/** Compares by code points; JavaScript's `<` compares by UTF-16 code units. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  const [left, right] = [Array.from(a), Array.from(b)];
  const different = left.findIndex((character, i) => character !== right[i]);
  if (different === -1) return -1;
  return different >= right.length ? 1 : left[different].codePointAt(0)! - right[different].codePointAt(0)!;
}

/** `in`. */
export function contains(container: Value, item: Value): boolean {
  if (typeof container === 'string') {
    if (typeof item !== 'string') {
      throw new TemplateError(`'in <string>' requires string as left operand, not ${typeName(item)}`);
    }
    return container.includes(item);
  }
  if (isMap(container)) return container.has(item as Key);
  return iterate(container).some((other) => isEqual(other, item));
}

/** `str()`. */
export function toText(value: Value): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : repr(value);
}

/** `repr()`, which is also how a value is printed inside a list. */
export function repr(value: Value): string {
  if (value === undefined) return 'Undefined';
  if (value === null) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return integerText(value);
  if (typeof value === 'string') return quote(value);
  if (value instanceof Float) return floatText(value.value);
  if (isList(value)) return `[${value.map(repr).join(', ')}]`;
  if (value instanceof Tuple) {
    return value.items.length === 1 ? `(${repr(value.items[0])},)` : `(${value.items.map(repr).join(', ')})`;
  }
  if (isMap(value)) {
    return `{${[...value].map(([key, item]) => `${repr(key)}: ${repr(item)}`).join(', ')}}`;
  }
  throw new TemplateError(`a ${typeName(value)} cannot be written out`);
}

function integerText(value: number): string {
  if (!Number.isSafeInteger(value)) throw new TemplateError('an integer beyond 2 ** 53');
  return String(value);
}

/** Formats a float as Python does: always with a fraction or an exponent. */
export function floatText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  const text = Object.is(value, -0) ? '-0' : String(value);
  return text.includes('.') ? text : `${text}.0`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\'\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (character) => {
    if (character === "'") return mark === "'" ? "\\'" : "'";
    return ESCAPES[character] ?? codePointEscape(character);
  });
  return mark + escaped + mark;
}

function codePointEscape(character: string): string {
  const code = character.codePointAt(0)!;
  const hexadecimal = code.toString(16);
  if (code < 0x100) return `\\x${hexadecimal.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hexadecimal.padStart(4, '0')}` : `\\U${hexadecimal.padStart(8, '0')}`;
}
