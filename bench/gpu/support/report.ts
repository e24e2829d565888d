import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cuda } from './device.ts';
import type { Ceilings } from './device.ts';

/** A row of a table. */
export interface Row {
  case: string;
  [column: string]: string | number | undefined;
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined; // not a git checkout
  }
}

const format = (value: string | number | undefined): string => {
  if (typeof value !== 'number') return value ?? '';
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3);
};

/** Prints a table and writes it to bench/results/NAME.json with the device, driver, commit and date. */
export function report(name: string, ceilings: Partial<Ceilings>, rows: readonly Row[]): void {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const lines = [columns, ...rows.map((row) => columns.map((column) => format(row[column])))];
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines) console.log(line.map((cell, i) => cell.padEnd(widths[i])).join('  '));

  const folder = fileURLToPath(new URL('../../../../../bench/results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const result = {
    name,
    device: cuda.deviceName,
    driver: cuda.driverVersion,
    commit: process.env.ATTENTION_BENCH_COMMIT ?? git('rev-parse', '--short', 'HEAD'),
    date: new Date().toISOString().slice(0, 10),
    ceilings,
    rows,
  };
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify(result, null, 2)}\n`);
}
