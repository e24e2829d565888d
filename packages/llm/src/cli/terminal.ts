import { createInterface } from 'node:readline';
import { text as readText } from 'node:stream/consumers';
import type { WriteStream } from 'node:tty';

/** A command's input and output. */
export interface Terminal {
  /** Writes generated text, to stdout. */
  out: (text: string) => void;
  /** Writes everything else, to stderr. */
  info: (text: string) => void;
  /** Whether each stream shows colours. */
  colors: { out: boolean; info: boolean };
  /** Characters per line. */
  width: number;
  /** Reads all of standard input. */
  readAll: () => Promise<string>;
  /** The lines of standard input, as they arrive. */
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

/** Styles a text, or returns it unchanged if the stream shows no colours. */
export interface Style {
  (text: string): string;
  /** The codes that start and end the style, for text that arrives in pieces. */
  readonly on: string;
  readonly off: string;
}

/** All styles by name. */
export type Styles = Record<keyof typeof STYLES, Style>;

/** The styles of a stream. */
export function styles(colors: boolean): Styles {
  const entries = Object.entries(STYLES).map(([name, codes]) => {
    const [on, off] = codes.map((code) => (colors ? `\u001B[${code}m` : ''));
    return [name, Object.assign((text: string) => on + text + off, { on, off })];
  });
  return Object.fromEntries(entries) as Styles;
}

/** Wraps a text at spaces into lines of at most `width` characters. */
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
