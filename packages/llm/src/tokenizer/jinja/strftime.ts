import { TemplateError } from './values.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const MS_PER_DAY = 86_400_000;

const pad = (value: number, width = 2, fill = '0'): string => String(value).padStart(width, fill);
const hour12 = (date: Date): number => date.getHours() % 12 || 12;

function dayOfYear(date: Date): number {
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  return Math.round((Date.UTC(year, month, day) - Date.UTC(year, 0, 1)) / MS_PER_DAY) + 1;
}

/** Week of the year, counted from the first Sunday (0) or Monday (1). */
function weekOfYear(date: Date, firstDay: 0 | 1): number {
  return Math.floor((dayOfYear(date) + 6 - ((date.getDay() - firstDay + 7) % 7)) / 7);
}

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => DAYS[date.getDay()].slice(0, 3),
  A: (date) => DAYS[date.getDay()],
  b: (date) => MONTHS[date.getMonth()].slice(0, 3),
  B: (date) => MONTHS[date.getMonth()],
  c: (date) => strftime(date, '%a %b %e %H:%M:%S %Y'),
  d: (date) => pad(date.getDate()),
  D: (date) => strftime(date, '%m/%d/%y'),
  e: (date) => pad(date.getDate(), 2, ' '),
  f: (date) => pad(date.getMilliseconds() * 1000, 6),
  F: (date) => strftime(date, '%Y-%m-%d'),
  h: (date) => strftime(date, '%b'),
  H: (date) => pad(date.getHours()),
  I: (date) => pad(hour12(date)),
  j: (date) => pad(dayOfYear(date), 3),
  m: (date) => pad(date.getMonth() + 1),
  M: (date) => pad(date.getMinutes()),
  n: () => '\n',
  p: (date) => (date.getHours() < 12 ? 'AM' : 'PM'),
  R: (date) => strftime(date, '%H:%M'),
  S: (date) => pad(date.getSeconds()),
  t: () => '\t',
  T: (date) => strftime(date, '%H:%M:%S'),
  u: (date) => String(date.getDay() || 7),
  U: (date) => pad(weekOfYear(date, 0)),
  w: (date) => String(date.getDay()),
  W: (date) => pad(weekOfYear(date, 1)),
  x: (date) => strftime(date, '%m/%d/%y'),
  X: (date) => strftime(date, '%H:%M:%S'),
  y: (date) => pad(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  z: () => '', // Python's datetime.now() has no time zone
  Z: () => '',
  '%': () => '%',
};

/** Formats a local date as Python's `strftime` does, with English names. `%-d` omits the padding. */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)(.)/gsu, (all, minus: string, directive: string) => {
    if (!Object.hasOwn(DIRECTIVES, directive)) throw new TemplateError(`strftime: ${all} is not supported`);
    const text = DIRECTIVES[directive](date);
    return minus ? text.replace(/^[0 ]+(?=.)/, '') : text;
  });
}
