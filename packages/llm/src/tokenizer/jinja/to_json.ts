import { Float, TemplateError, Tuple, compare, floatText, isList, isMap, repr, typeName } from './values.ts';
import type { Value } from './values.ts';

/** Options of Python's `json.dumps`. */
export interface JsonOptions {
  ensureAscii: boolean;
  /** Indentation per level, if any. */
  indent: string | undefined;
  /** The separators between items, and between keys and values. */
  separators: readonly [string, string];
  sortKeys: boolean;
}

/** `json.dumps`. */
export function toJson(value: Value, options: JsonOptions, depth = 0): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return repr(value);
  if (value instanceof Float) return floatText(value.value);
  if (typeof value === 'string') return jsonText(value, options.ensureAscii);
  const inner = (item: Value): string => toJson(item, options, depth + 1);
  if (isList(value) || value instanceof Tuple) {
    const items = isList(value) ? value : value.items;
    return surround('[]', items.map(inner), options, depth);
  }
  if (!isMap(value)) throw new TemplateError(`Object of type ${typeName(value)} is not JSON serializable`);
  const entries = [...value];
  if (options.sortKeys) entries.sort(([a], [b]) => compare(a, b));
  const items = entries.map(([key, item]) => {
    const text = typeof key === 'string' ? key : toJson(key, options);
    return jsonText(text, options.ensureAscii) + options.separators[1] + inner(item);
  });
  return surround('{}', items, options, depth);
}

function surround(
  [open, close]: string,
  items: readonly string[],
  { indent, separators }: JsonOptions,
  depth: number,
): string {
  if (indent === undefined || items.length === 0) return open + items.join(separators[0]) + close;
  const [outer, inner] = [`\n${indent.repeat(depth)}`, `\n${indent.repeat(depth + 1)}`];
  return open + inner + items.join(separators[0] + inner) + outer + close;
}

function jsonText(text: string, ensureAscii: boolean): string {
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
