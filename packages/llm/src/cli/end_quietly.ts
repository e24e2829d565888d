/** Exit code of programs that are interrupted: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

/** What is used of `process`. */
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
 * Ends the process without a stack trace when nobody reads on (`… | head`), when the disk is full, and after the line when
 * Ctrl-C is pressed.
 */
export function endQuietly(process: EndingProcess): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  process.stderr.on('error', () => process.exit(1)); // there is nowhere left to say why
  process.once('SIGINT', () => {
    process.stdout.write('\n');
    process.exit(INTERRUPTED);
  });
}
