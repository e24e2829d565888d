import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How a process that calls native code ended; a crash ends it with a signal. */
export interface ProcessEnd {
  signal: string | null;
  status: number | null;
  /** The last line of its output, or of its errors if it failed. */
  lastLine: string;
}

const scripts = fileURLToPath(new URL('../../../../scripts/fuzz_native/', import.meta.url));

/** Runs a script of scripts/fuzz_native in a separate process. */
export function runNative(script: string, ...args: string[]): ProcessEnd {
  const { signal, status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', `${scripts}${script}`, ...args],
    { encoding: 'utf8', timeout: 300_000 },
  );
  return { signal, status, lastLine: (status === 0 ? stdout : stderr).trim().split('\n').at(-1) ?? '' };
}
