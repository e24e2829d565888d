import { Float, TemplateError, Tuple, asNumber, isMap, repr, toText } from './values.ts';
import type { Arguments, Value } from './values.ts';

const PERCENT = /%(?:\((\w+)\))?(-?)(\d*)(?:\.(\d+))?([a-zA-Z%])/g;
const MAX_WIDTH = 1000;

/** `format % values`: %s, %r, %d, %i and %f with widths. */
export function formatPercent(format: string, values: Value): string {
  const list = values instanceof Tuple ? values.items : [values];
  let next = 0;
  return format.replace(
    PERCENT,
    (_all, name: string, minus: string, width: string, digits: string, kind: string) => {
      if (kind === '%') return '%';
      const value = name && isMap(values) ? values.get(name) : list[next++];
      const text = percentText(value, kind, digits);
      if (Number(width) > MAX_WIDTH) throw new TemplateError(`a field wider than ${MAX_WIDTH}`);
      return minus ? text.padEnd(Number(width)) : text.padStart(Number(width));
    },
  );
}

function percentText(value: Value, kind: string, digits: string | undefined): string {
  if (kind === 's') return toText(value);
  if (kind === 'r') return repr(value);
  const number = asNumber(value);
  if (number === undefined || !'dif'.includes(kind))
    throw new TemplateError(`%${kind} is not supported here`);
  return kind === 'f' ? number.toFixed(Math.min(100, Number(digits ?? 6))) : String(Math.trunc(number));
}

/** `str.format` without format specifications. */
export function formatBraces(text: string, { positional, named }: Arguments): string {
  let next = 0;
  return text.replace(/\{\{|\}\}|\{(\w*)\}|[{}]/g, (all, field: string | undefined) => {
    if (all === '{{' || all === '}}') return all[0];
    if (field === undefined) throw new TemplateError('this format is not supported');
    if (field !== '' && !/^\d+$/.test(field)) return toText(named.get(field));
    return toText(positional[field === '' ? next++ : Number(field)]);
  });
}

/** Rounds half to even, as Python does. */
export function round(value: number, precision: number): number {
  const scaled = value * 10 ** precision;
  if (Math.abs(scaled % 1) === 0.5) return (2 * Math.round(scaled / 2)) / 10 ** precision;
  return precision >= 0
    ? Number(value.toFixed(Math.min(100, precision)))
    : Math.round(scaled) / 10 ** precision;
}

/** Makes a floating-point number if `isFloat`, else an integer. */
export function numeric(value: number, isFloat: boolean): Value {
  if (!isFloat && !Number.isSafeInteger(value)) throw new TemplateError('an integer beyond 2 ** 53');
  return isFloat ? new Float(value) : value;
}
