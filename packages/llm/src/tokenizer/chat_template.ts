import { AttentionError, Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';
import type { AddedToken } from './added_vocabulary.ts';
import { Template, TemplateError } from './jinja/index.ts';
import { isObject } from './tokenizer_json.ts';

/** One message of a conversation. */
export interface ChatMessage {
  /** Who speaks; the model's template defines which roles exist. */
  role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  /** The text of the message. */
  content: string;
  /** Anything else that the model's template reads, e.g. `reasoning_content`. */
  [key: string]: unknown;
}

/** How a conversation is rendered for a model. */
export interface ChatOptions {
  /** Whether to end with the marker after which the assistant answers. Default: true. */
  addGenerationPrompt?: boolean;
  /**
   * Further variables for the model's template, e.g. `enable_thinking`, `tools` or `documents`. Must be JSON values.
   */
  variables?: Record<string, unknown>;
}

/** `chat_template` of tokenizer_config.json: one source, or several by name. */
export type ChatTemplateConfig = string | { name: string; template: string }[] | Record<string, string>;

const OPTIONS = Object.keys({ addGenerationPrompt: true, variables: true } satisfies Record<
  keyof ChatOptions,
  true
>);
const ARGUMENT = 'tokenizer_config.json: chat_template';

const checks = new Checks('applyChatTemplate');
const loadChecks = new Checks('Tokenizer');

/**
 * A model's chat templates: Jinja sources that render a conversation as the kind of text that the model was trained on.
 */
export class ChatTemplate {
  readonly #default: Template;
  readonly #withTools: Template;
  readonly #specialTokens: Readonly<Record<string, string>>;

  /**
   * @param sources Jinja sources: `default`, and `tool_use` for conversations with tools.
   * @param specialTokens Variables such as `bos_token` and `eos_token`.
   * @throws AttentionError `ERR_UNSUPPORTED` when a source cannot be parsed.
   */
  constructor(
    sources: { default: string; tool_use?: string },
    specialTokens: Readonly<Record<string, string>> = {},
  ) {
    this.#default = parseTemplate(sources.default);
    this.#withTools = sources.tool_use === undefined ? this.#default : parseTemplate(sources.tool_use);
    this.#specialTokens = specialTokens;
  }

  /**
   * Renders `messages`.
   *
   * @throws AttentionError `ERR_RANGE` when there are none, and when the template refuses them or takes too long;
   * `ERR_DTYPE` for messages or variables of another kind.
   */
  render(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    checks.keys('options', options, OPTIONS);
    const { addGenerationPrompt = true, variables = {} } = options;
    checks.expect(
      Array.isArray(messages),
      'ERR_DTYPE',
      'messages',
      'a list of messages',
      summarize(messages),
    );
    checks.expect(messages.length > 0, 'ERR_RANGE', 'messages', 'at least one message', 'none');
    checks.expect(isObject(variables), 'ERR_DTYPE', 'variables', 'an object', summarize(variables));
    const template =
      variables.tools === undefined || variables.tools === null ? this.#default : this.#withTools;
    try {
      return template.render({
        ...this.#specialTokens,
        tools: null,
        documents: null,
        ...variables,
        messages,
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (cause) {
      throw templateError('ERR_RANGE', 'messages', "a conversation that the model's template accepts", cause);
    }
  }
}

function parseTemplate(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    throw templateError('ERR_UNSUPPORTED', 'chat_template', 'Jinja source', cause);
  }
}

function templateError(
  code: 'ERR_UNSUPPORTED' | 'ERR_RANGE',
  argument: string,
  expected: string,
  cause: unknown,
): unknown {
  if (!(cause instanceof TemplateError)) return cause;
  const message = `[applyChatTemplate] ${argument}: expected ${expected}, received "${cause.message}"`;
  return new AttentionError(code, message, { cause });
}

/**
 * The templates of a folder: `default`, and `tool_use` if there is one. Returns `undefined` if there are none, or
 * several but no default.
 *
 * @throws AttentionError `ERR_DTYPE` for what is no template, and what {@link ChatTemplate} throws.
 */
export function chatTemplates(
  config: unknown,
  named: ReadonlyMap<string, AddedToken>,
): ChatTemplate | undefined {
  if (config === undefined || config === null) return undefined;
  const sources = typeof config === 'string' ? { default: config } : byName(config);
  if (!Object.hasOwn(sources, 'default')) return undefined;
  const specialTokens = Object.fromEntries([...named].map(([name, { content }]) => [name, content]));
  return new ChatTemplate(sources as { default: string; tool_use?: string }, specialTokens);
}

function byName(config: unknown): Record<string, string> {
  const expected = 'a text, or texts by name';
  const entries = Array.isArray(config)
    ? (config as unknown[]).map((item) => (isObject(item) ? [item.name, item.template] : []))
    : Object.entries(isObject(config) ? config : { '': config });
  const wrong = entries.find(([name, template]) => typeof name !== 'string' || typeof template !== 'string');
  loadChecks.expect(wrong === undefined, 'ERR_DTYPE', ARGUMENT, expected, summarize(config));
  return Object.fromEntries(entries as [string, string][]);
}
