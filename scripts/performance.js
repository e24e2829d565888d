// Replaces the tables between the markers in docs/performance.md with the figures in bench/results, and draws
// docs/performance.svg.
//
//   npm run bench:gpu && node scripts/performance.js
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const page = path.join(root, 'docs/performance.md');
const folder = path.join(root, 'bench/results');
const results = new Map(
  readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const result = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
      return [result.name, result];
    }),
);

function format(value) {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'number') return value;
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

function table({ device, driver, commit, date, ceilings, rows }) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const limits = Object.entries({ read: 'TB/s read', copy: 'TB/s copy', matmul: 'TFLOP/s matmul' })
    .filter(([name]) => ceilings[name])
    .map(([name, unit]) => `${format(ceilings[name])} ${unit}`);
  const driverVersion = `CUDA ${Math.floor(driver / 1000)}.${(driver % 1000) / 10}`;
  return [
    `${device}, driver for ${driverVersion}, commit ${commit}, ${date}` +
      `${limits.length > 0 ? `; limits measured in this run: ${limits.join(', ')}` : ''}.`,
    '',
    `| ${columns.join(' | ')} |`,
    `|${columns.map((_, i) => (i === 0 ? '---' : '--:')).join('|')}|`,
    ...rows.map((row) => `| ${columns.map((column) => format(row[column])).join(' | ')} |`),
  ].join('\n');
}

const text = readFileSync(page, 'utf8').replace(
  /(<!-- results: (\w+) -->\n)[^]*?(<!-- end -->)/g,
  (whole, begin, name, end) => {
    const result = results.get(name);
    if (!result) throw new Error(`no bench/results/${name}.json: npm run bench:gpu -- ${name}`);
    return `${begin}${table(result)}\n${end}`;
  },
);
writeFileSync(page, text);

// The plot: decode as a share of the GPU's measured read bandwidth.
const { device, rows } = results.get('decode');
const bars = rows.filter((row) => row.layout === 'flash');
const [left, barHeight, gap, width] = [260, 16, 8, 420];
const height = bars.length * (barHeight + gap) + 70;
const lines = bars.map((row, i) => {
  const y = 40 + i * (barHeight + gap);
  const share = row['of read ceiling'];
  const label = `${row.case}, heads ${row.heads}, D=${row.D}`;
  return (
    `<text x="${left - 10}" y="${y + 12}" text-anchor="end">${label}</text>` +
    `<rect x="${left}" y="${y}" width="${(share * width).toFixed(1)}" height="${barHeight}" fill="#76b900"/>` +
    `<text x="${left + share * width + 6}" y="${y + 12}">${share.toFixed(2)}</text>`
  );
});
const end = 40 + bars.length * (barHeight + gap);
writeFileSync(
  path.join(root, 'docs/performance.svg'),
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${left + width + 60}" height="${height}" font-family="sans-serif" font-size="12">`,
    '<style>text { fill: #57606a; }</style>',
    `<text x="${left}" y="20">Paged decode, bfloat16: share of the read bandwidth (${device})</text>`,
    ...lines,
    `<line x1="${left + width}" y1="30" x2="${left + width}" y2="${end}" stroke="#8c959f" stroke-dasharray="4 4"/>`,
    `<text x="${left + width}" y="${end + 16}" text-anchor="middle">1.0</text>`,
    '</svg>',
    '',
  ].join('\n'),
);
