import { parseArgs } from 'node:util';
import type { ParseArgsConfig } from 'node:util';

/** An invalid command line. Shown with a hint to `--help`. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Options of {@link Engine.generate}. */
export interface SamplingArguments {
  maxTokens: number | undefined;
  temperature: number | undefined;
  topK: number | undefined;
  topP: number | undefined;
  minP: number | undefined;
  repetitionPenalty: number | undefined;
  presencePenalty: number | undefined;
  frequencyPenalty: number | undefined;
  seed: number | undefined;
  stop: string[] | undefined;
  ignoreEos: boolean;
  templateVariables: Record<string, unknown> | undefined;
}

/** Arguments that `generate` and `chat` share. */
interface ModelArguments {
  model: string | undefined;
  backend: string | undefined;
  stats: boolean;
  sampling: SamplingArguments;
}

/** A prompt from the command line: its text, or the file that contains it (`-`: standard input). */
export type PromptArgument = { text: string } | { file: string };

/** Arguments of `generate`. */
export interface GenerateArguments extends ModelArguments {
  command: 'generate';
  prompts: PromptArgument[];
  /** Whether prompts are rendered by the model's chat template. Default: if it has one. */
  chat: boolean | undefined;
}

/** Arguments of `chat`. */
export interface ChatArguments extends ModelArguments {
  command: 'chat';
  /** The system message. */
  system: string | undefined;
}

/** Arguments of `demo`. */
export interface DemoArguments {
  command: 'demo';
  backend: string | undefined;
}

/** A parsed command line. */
export type CliArguments =
  | GenerateArguments
  | ChatArguments
  | DemoArguments
  | { command: 'help' | 'version' };

export const HELP = `Text generation with language models on TensorFlow.js.

Usage
  attention-llm generate --prompt TEXT [--prompt TEXT ...] [options]
  attention-llm chat [options]
  attention-llm demo [--backend NAME]

generate: continues or answers prompts, all at the same time, and prints the texts as they arrive
  --prompt TEXT             a prompt; may be repeated
  --prompt-file FILE        a file with a prompt, or - for standard input; may be repeated
  --chat, --raw             send prompts as chat messages, or as plain text
                            (default: --chat if the model has a chat template)

chat: a conversation in the terminal, one line per message; /new starts over, Ctrl-D or /exit ends it
  --system TEXT             the system message

generate and chat
  --model DIR               a local Hugging Face model folder (default: a small model that comes with this package)
  --max-tokens N            maximum tokens per text (default: until the model ends it or its context is full)
  --temperature T           0 takes the most likely token (default: the model's setting, else 0)
  --top-k N, --top-p P, --min-p P
                            limit the choice of tokens (default: the model's settings)
  --repetition-penalty R, --presence-penalty P, --frequency-penalty P
                            make repeated tokens less likely
  --seed N                  make sampled texts reproducible
  --stop TEXT               end a text before TEXT; may be repeated
  --ignore-eos              continue after the model's end tokens
  --variable NAME=VALUE     a variable of the chat template, e.g. enable_thinking=false; may be repeated
  --stats                   print speed and cache use at the end, to stderr

demo: asks the small model many questions about a few texts at once

All
  --backend NAME            tfjs backend: cpu, or one whose package @attention-js/backend-NAME is installed
                            (default: an installed GPU backend, else cpu)
  --help                    this text
  --version                 the version of this package
`;

const COMMON = {
  backend: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsConfig['options'];

const MODEL = {
  ...COMMON,
  model: { type: 'string' },
  stats: { type: 'boolean' },
  'max-tokens': { type: 'string' },
  temperature: { type: 'string' },
  'top-k': { type: 'string' },
  'top-p': { type: 'string' },
  'min-p': { type: 'string' },
  'repetition-penalty': { type: 'string' },
  'presence-penalty': { type: 'string' },
  'frequency-penalty': { type: 'string' },
  seed: { type: 'string' },
  stop: { type: 'string', multiple: true },
  'ignore-eos': { type: 'boolean' },
  variable: { type: 'string', multiple: true },
} as const satisfies ParseArgsConfig['options'];

const GENERATE = {
  ...MODEL,
  prompt: { type: 'string', multiple: true },
  'prompt-file': { type: 'string', multiple: true },
  chat: { type: 'boolean' },
  raw: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

const CHAT = { ...MODEL, system: { type: 'string' } } as const satisfies ParseArgsConfig['options'];

/**
 * Parses the command line.
 *
 * @throws UsageError if it is invalid.
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
    case 'chat':
      return parseChat(rest);
    case 'demo': {
      const { help, backend } = parse(rest, COMMON);
      return help ? { command: 'help' } : { command, backend };
    }
    default:
      throw new UsageError(
        `expected a command, generate, chat or demo, received "${command}" (prompts: generate --prompt TEXT)`,
      );
  }
}

function parseGenerate(args: string[]): CliArguments {
  const values = parse(args, GENERATE, 'prompts: --prompt TEXT');
  if (values.help) return { command: 'help' };
  const { chat, raw } = values;
  const prompts = [
    ...(values.prompt ?? []).map((text) => ({ text })),
    ...(values['prompt-file'] ?? []).map((file) => ({ file })),
  ];
  if (prompts.length === 0) throw new UsageError('expected at least one --prompt TEXT or --prompt-file FILE');
  if (chat && raw) throw new UsageError('expected --chat or --raw, received both');
  return { command: 'generate', prompts, chat: chat ?? (raw ? false : undefined), ...modelArguments(values) };
}

function parseChat(args: string[]): CliArguments {
  const values = parse(args, CHAT, 'messages are typed once it runs');
  if (values.help) return { command: 'help' };
  return { command: 'chat', system: values.system, ...modelArguments(values) };
}

type NumberOption =
  | 'max-tokens'
  | 'temperature'
  | 'top-k'
  | 'top-p'
  | 'min-p'
  | 'repetition-penalty'
  | 'presence-penalty'
  | 'frequency-penalty'
  | 'seed';

/** The values of {@link MODEL}'s options. */
type ModelValues = Partial<Record<NumberOption | 'model' | 'backend', string>> & {
  stop?: string[];
  variable?: string[];
  stats?: boolean;
  'ignore-eos'?: boolean;
};

function modelArguments(values: ModelValues): ModelArguments {
  const number = (option: NumberOption): number | undefined => toNumber(option, values[option]);
  return {
    model: values.model,
    backend: values.backend,
    stats: values.stats ?? false,
    sampling: {
      maxTokens: number('max-tokens'),
      temperature: number('temperature'),
      topK: number('top-k'),
      topP: number('top-p'),
      minP: number('min-p'),
      repetitionPenalty: number('repetition-penalty'),
      presencePenalty: number('presence-penalty'),
      frequencyPenalty: number('frequency-penalty'),
      seed: number('seed'),
      stop: values.stop,
      ignoreEos: values['ignore-eos'] ?? false,
      templateVariables: values.variable && Object.fromEntries(values.variable.map(parseVariable)),
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

/** Parses `NAME=VALUE`. The value is JSON, or plain text if it is not valid JSON. */
function parseVariable(text: string): [name: string, value: unknown] {
  const [, name, value] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`expected NAME=VALUE for --variable, received "${text}"`);
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

function toNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) {
    throw new UsageError(`expected a number for --${option}, received "${text}"`);
  }
  return value;
}
