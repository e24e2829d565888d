import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** How a process ended that calls native code: a fault in there ends it by a signal. */
export interface ProcessEnd {
  signal: string | null;
  status: number | null;
  /** The last line it printed, or what it complained about. */
  lastLine: string;
}

const scripts = fileURLToPath(new URL('../../../../scripts/fuzz_native/', import.meta.url));

/** Runs a script of scripts/fuzz_native in a process of its own. */
export function runNative(script: string, ...args: string[]): ProcessEnd {
  const { signal, status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', `${scripts}${script}`, ...args],
    { encoding: 'utf8', timeout: 300_000 },
  );
  return { signal, status, lastLine: (status === 0 ? stdout : stderr).trim().split('\n').at(-1) ?? '' };
}
