/** Exit code of programs that are interrupted: 128 and the number of SIGINT. */
const INTERRUPTED = 130;

/** What is used of `process`. */
export interface EndingProcess {
  stdout: {
    on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
    write(text: string): unknown;
  };
  once(event: 'SIGINT', listener: () => void): unknown;
  exit(code: number): void;
}

/** Ends the process without a stack trace when nobody reads on (`… | head`), and after the line when Ctrl-C is pressed. */
export function endQuietly(process: EndingProcess): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  process.once('SIGINT', () => {
    process.stdout.write('\n');
    process.exit(INTERRUPTED);
  });
}
