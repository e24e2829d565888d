import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

/** What the command line asks for was not understood; shown with a hint at `--help`. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Arguments of `generate`. */
export interface GenerateArguments {
  command: 'generate';
  prompts: string[];
  model: string | undefined;
  backend: string | undefined;
  /** Whether prompts are messages to the model's chat template; where unset, if it has one. */
  chat: boolean | undefined;
  stats: boolean;
  sampling: {
    maxTokens: number | undefined;
    temperature: number | undefined;
    topK: number | undefined;
    topP: number | undefined;
    minP: number | undefined;
    repetitionPenalty: number | undefined;
    seed: number | undefined;
    stop: string[] | undefined;
  };
}

/** Arguments of `demo`. */
export interface DemoArguments {
  command: 'demo';
  backend: string | undefined;
}

/** What the command line asks for. */
export type CliArguments = GenerateArguments | DemoArguments | { command: 'help' | 'version' };

export const HELP = `Text generation with language models on TensorFlow.js.

Usage
  attention-llm generate --prompt TEXT [--prompt TEXT ...] [options]
  attention-llm demo [--backend NAME]

generate: continues or answers prompts, all at the same time, and prints the texts as they come
  --prompt TEXT             a prompt; give several for several texts
  --model DIR               a local Hugging Face model folder (default: the small model that comes along)
  --chat, --raw             send prompts as messages of a chat, or as plain text
                            (default: --chat where the model has a chat template)
  --max-tokens N            most tokens per text (default: until the model ends it or its context is full)
  --temperature T           0 takes the likeliest token (default: the model's setting, else 0)
  --top-k N, --top-p P, --min-p P, --repetition-penalty R
                            narrow the choice (default: the model's settings)
  --seed N                  makes random texts repeatable
  --stop TEXT               ends a text before TEXT; may be repeated
  --stats                   print speed and cache use at the end, to stderr

demo: asks the small model about texts, many questions at a time

Both
  --backend NAME            tfjs backend: cpu, or another one whose package @attention-js/backend-NAME is installed
                            (default: an installed one, else cpu)
  --help                    this text
  --version                 the version of this package
`;

const COMMON = {
  backend: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

const GENERATE = {
  ...COMMON,
  prompt: { type: 'string', multiple: true },
  model: { type: 'string' },
  chat: { type: 'boolean' },
  raw: { type: 'boolean' },
  stats: { type: 'boolean' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  'repetition-penalty': { type: 'string' },
  seed: { type: 'string' },
  stop: { type: 'string', multiple: true },
} as const satisfies ParseArgsConfig['options'];

/**
 * Reads the command line.
 *
 * @throws UsageError for what it does not understand.
 */
export function parseArguments(args: readonly string[]): CliArguments {
  const [command, ...rest] = args;
  switch (command) {
    case undefined:
    case '--help':
    case '-h':
    case 'help':
      return { command: 'help' };
    case '--version':
      return { command: 'version' };
    case 'generate':
      return parseGenerate(rest);
    case 'demo': {
      const { help, backend } = parse(rest, COMMON);
      return help ? { command: 'help' } : { command, backend };
    }
    default:
      throw new UsageError(
        `expected a command, generate or demo, received "${command}" (prompts: generate --prompt TEXT)`,
      );
  }
}

function parseGenerate(args: string[]): CliArguments {
  const values = parse(args, GENERATE, 'prompts: --prompt TEXT');
  if (values.help) return { command: 'help' };
  const { prompt: prompts = [], model, backend, chat, raw, stats = false, stop } = values;
  if (prompts.length === 0) throw new UsageError('expected at least one --prompt TEXT');
  if (chat && raw) throw new UsageError('expected --chat or --raw, received both');
  return {
    command: 'generate',
    prompts,
    model,
    backend,
    chat: chat ?? (raw ? false : undefined),
    stats,
    sampling: {
      maxTokens: number('max-tokens', values['max-tokens']),
      temperature: number('temperature', values.temperature),
      topK: number('top-k', values['top-k']),
      topP: number('top-p', values['top-p']),
      minP: number('min-p', values['min-p']),
      repetitionPenalty: number('repetition-penalty', values['repetition-penalty']),
      seed: number('seed', values.seed),
      stop,
    },
  };
}

function parse<const Options extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: Options,
  hint = '',
) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isPositional = code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL';
    throw new UsageError(isPositional && hint ? `${message} (${hint})` : message, { cause: error });
  }
}

function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new UsageError(`expected a number for --${option}, received "${text}"`);
  }
  return value;
}
