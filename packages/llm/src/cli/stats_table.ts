import type { Engine, EngineStats } from '../engine/index.ts';
import { plural } from '../plural.ts';
import { bytes, count, styles } from './terminal.ts';
import type { Terminal } from './terminal.ts';

/** An engine's statistics as rows of name and value. */
export function statsTable(stats: EngineStats): [string, string][] {
  const { cache, requests, timeToFirstTokenMs } = stats;
  const ended = requests.finished + requests.aborted + requests.failed;
  const peakBytes = cache.peakUsedBlocks * cache.blockBytes;
  const share = stats.promptTokens === 0 ? 0 : (100 * stats.cachedPromptTokens) / stats.promptTokens;
  return [
    ['requests', `${count(ended)} in ${plural(count(stats.steps), 'step')}`],
    [
      'generated',
      `${plural(count(stats.generatedTokens), 'token')}, ${count(stats.tokensPerSecond)} a second`,
    ],
    [
      'first token',
      `after ${count(timeToFirstTokenMs.mean)} ms on average, ${count(timeToFirstTokenMs.max)} ms at most`,
    ],
    [
      'prefix hits',
      `${count(stats.cachedPromptTokens)} of ${plural(count(stats.promptTokens), 'prompt token')} (${share.toFixed(0)} %)`,
    ],
    [
      'cache',
      `${count(cache.peakUsedBlocks)} of ${plural(count(cache.totalBlocks), 'block')} of ${cache.blockSize} tokens at the peak, ` +
        bytes(peakBytes),
    ],
    ['preemptions', count(stats.preemptions)],
  ];
}

/** Writes rows as aligned lines. */
export function alignRows(
  rows: readonly [string, string][],
  style: (name: string) => string = String,
): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${style(name.padEnd(width))}  ${value}\n`).join('');
}

/** Prints an engine's statistics. */
export function showStats(engine: Engine, { info, colors }: Terminal): void {
  info(`\n${alignRows(statsTable(engine.stats()), styles(colors.info).dim)}`);
}
