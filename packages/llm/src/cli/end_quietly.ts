/** Exit code of an interrupted program: 128 + SIGINT. */
const INTERRUPTED = 130;

/** The part of `process` that {@link endQuietly} uses. */
export interface EndingProcess {
  stdout: {
    on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
    write(text: string): unknown;
  };
  stderr: {
    on(event: 'error', listener: () => void): unknown;
    write(text: string): unknown;
  };
  once(event: 'SIGINT', listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * Ends the process without a stack trace if the reader of its output has gone (`… | head`), if writing fails, or on
 * Ctrl-C.
 */
export function endQuietly(process: EndingProcess): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  process.stderr.on('error', () => process.exit(1)); // there is no stream left to report to
  process.once('SIGINT', () => {
    process.stdout.write('\n');
    process.exit(INTERRUPTED);
  });
}
