import { createInterface } from 'node:readline';
import { text as readText } from 'node:stream/consumers';
import type { WriteStream } from 'node:tty';

/** Where a command writes, and what it reads. */
export interface Terminal {
  /** Texts. */
  out: (text: string) => void;
  /** Everything else. */
  info: (text: string) => void;
  /** Whether each of them goes to a terminal, so that colours make sense. */
  colors: { out: boolean; info: boolean };
  /** Characters per line. */
  width: number;
  /** All of standard input. */
  readAll: () => Promise<string>;
  /** Lines of standard input, as they come. */
  lines: () => AsyncIterable<string>;
}

/** The terminal of this process. Colours follow NO_COLOR and FORCE_COLOR. */
export function processTerminal(): Terminal {
  const { stdin, stdout, stderr } = process;
  return {
    out: (text) => void stdout.write(text),
    info: (text) => void stderr.write(text),
    colors: { out: hasColors(stdout), info: hasColors(stderr) },
    width: Math.min(stdout.columns ?? 100, 100),
    readAll: () => readText(stdin),
    lines: () => createInterface({ input: stdin }),
  };
}

function hasColors(stream: Partial<WriteStream>): boolean {
  return stream.hasColors?.() ?? false;
}

const STYLES = { bold: [1, 22], dim: [2, 22], green: [32, 39], yellow: [33, 39], cyan: [36, 39] } as const;

/** Colours a text, or leaves it alone. */
export interface Style {
  (text: string): string;
  /** What turns it on, and off again: for a text that comes in pieces. */
  readonly on: string;
  readonly off: string;
}

/** All styles by name. */
export type Styles = Record<keyof typeof STYLES, Style>;

/** Styles for a stream that shows colours, or does not. */
export function styles(colors: boolean): Styles {
  const entries = Object.entries(STYLES).map(([name, codes]) => {
    const [on, off] = codes.map((code) => (colors ? `\u001B[${code}m` : ''));
    return [name, Object.assign((text: string) => on + text + off, { on, off })];
  });
  return Object.fromEntries(entries) as Styles;
}

/** Breaks a text into lines of at most `width` characters, at spaces. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines = [''];
    for (const word of paragraph.split(' ')) {
      const line = lines.at(-1) as string;
      if (line === '') lines[lines.length - 1] = word;
      else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
      else lines.push(word);
    }
    return lines;
  });
}

/** `12,345` */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** `1.5 MiB` */
export function bytes(value: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  const exponent = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  const scaled = value / 1024 ** exponent;
  return `${scaled.toFixed(exponent > 0 && scaled < 100 ? 1 : 0)} ${units[exponent]}`;
}
