// Runs the demo and draws docs/demo.svg from its output: the first texts with their answers, and the statistics. The
// picture has its own dark background, so it looks the same on light and dark pages.
//
//   npm run build && node scripts/demo_picture.js
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { demo } from '../packages/llm/dist/cli/demo.js';

const TEXTS_SHOWN = 2;
const COLUMNS = 100;
const FONT_SIZE = 14;
const CHARACTER_WIDTH = FONT_SIZE * 0.61; // of the widest font in FONTS
const LINE_HEIGHT = 19;
const PADDING = 20;
const TITLE_BAR = 34;
const FONTS = 'ui-monospace, SFMono-Regular, Menlo, Consolas, Liberation Mono, monospace';
const ESCAPE = String.fromCodePoint(27);

async function printedLines() {
  let printed = '';
  const terminal = {
    out: (text) => (printed += text),
    info: () => undefined,
    colors: { out: true, info: true },
    width: COLUMNS,
  };
  await demo({ backend: 'cpu' }, terminal);
  return printed.trimEnd().split('\n');
}

const isText = (line) => line?.includes('│') ?? false;

/** Replaces all but the first texts by one line. A text starts where a line with a bar follows one without. */
function shorten(lines) {
  const starts = lines.flatMap((line, i) => (isText(line) && !isText(lines[i - 1]) ? [i] : []));
  const statistics = lines.findLastIndex((line) => line === '') + 1;
  const hidden = starts.slice(TEXTS_SHOWN);
  if (hidden.length === 0) return lines;
  const answers = lines.slice(hidden[0], statistics).filter((line) => line.includes('?')).length;
  const note = `  ${ESCAPE}[2m… ${hidden.length} more texts, ${answers} more answers …${ESCAPE}[22m`;
  return [...lines.slice(0, hidden[0]), note, '', ...lines.slice(statistics)];
}

const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const CLASSES = { 1: 'bold', 2: 'dim', 32: 'green', 33: 'yellow', 36: 'cyan' };

/** Converts a line with ANSI escape sequences to SVG spans. */
function spans(line) {
  let active = new Set();
  return line
    .split(new RegExp(`${ESCAPE}\\[(\\d+)m`))
    .map((part, i) => {
      if (i % 2 === 0) {
        const classes = active.size > 0 ? ` class="${[...active].join(' ')}"` : '';
        return part === '' ? '' : `<tspan${classes}>${escapeXml(part)}</tspan>`;
      }
      if (part in CLASSES) active = new Set([...active, CLASSES[part]]);
      else if (part === '22') active = new Set([...active].filter((name) => !/bold|dim/.test(name)));
      else if (part === '39') active = new Set([...active].filter((name) => /bold|dim/.test(name)));
      else throw new Error(`unknown escape sequence ${part}`);
      return '';
    })
    .join('');
}

const lines = [`${ESCAPE}[32m$${ESCAPE}[39m npm run demo`, ...shorten(await printedLines())];
const width = Math.ceil(COLUMNS * CHARACTER_WIDTH) + 2 * PADDING;
const height = TITLE_BAR + lines.length * LINE_HEIGHT + PADDING;
const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
  (fill, i) => `<circle cx="${PADDING + i * 20}" cy="18" r="6" fill="${fill}"/>`,
);
const rows = lines.map((line, i) =>
  line === ''
    ? ''
    : `<text x="${PADDING}" y="${TITLE_BAR + (i + 1) * LINE_HEIGHT - 4}" xml:space="preserve">${spans(line)}</text>`,
);
const plain = lines.map((line) => line.replaceAll(new RegExp(`${ESCAPE}\\[\\d+m`, 'g'), ''));

writeFileSync(
  path.join(path.dirname(import.meta.dirname), 'docs/demo.svg'),
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">`,
    `<title>${escapeXml(plain[0])}</title>`,
    '<style>',
    `text { fill: #e6edf3; font: ${FONT_SIZE}px ${FONTS}; white-space: pre; }`,
    '.bold { font-weight: bold; } .dim { fill: #9198a1; }',
    '.green { fill: #3fb950; } .yellow { fill: #d29922; } .cyan { fill: #39c5cf; }',
    '</style>',
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="#0d1117" stroke="#3d444d"/>`,
    ...dots,
    ...rows.filter(Boolean),
    '</svg>',
    '',
  ].join('\n'),
);
