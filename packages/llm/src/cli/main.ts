import { AttentionError } from '@attention-js/core';
import { HELP, UsageError, parseArguments } from './arguments.ts';
import type { CliArguments } from './arguments.ts';
import { processTerminal } from './terminal.ts';
import { version } from './version.ts';
import type { Terminal } from './terminal.ts';

/** Runs a command line. Returns the exit code: 0, 1 for a failure, 2 for invalid arguments. */
export async function main(args: readonly string[], terminal = processTerminal()): Promise<number> {
  try {
    await run(parseArguments(args), terminal);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.info(`${error.message}\nRun attention-llm --help for usage.\n`);
      return 2;
    }
    if (!(error instanceof AttentionError || isSystemError(error))) throw error;
    terminal.info(`${error.message}\n`);
    return 1;
  }
}

async function run(args: CliArguments, terminal: Terminal): Promise<void> {
  switch (args.command) {
    case 'help':
      terminal.out(HELP);
      break;
    case 'version':
      terminal.out(`${version()}\n`);
      break;
    case 'generate':
      await (await import('./generate.ts')).generate(args, terminal);
      break;
    case 'chat':
      await (await import('./chat.ts')).chat(args, terminal);
      break;
    case 'demo':
      await (await import('./demo.ts')).demo(args, terminal);
      break;
  }
}

/** An error of the operating system, whose message names the file. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return (error as NodeJS.ErrnoException | undefined)?.syscall !== undefined;
}
