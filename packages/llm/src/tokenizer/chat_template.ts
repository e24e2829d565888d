import { AttentionError } from '@attention-js/core';
import { Template } from '@huggingface/jinja';

/** One turn of a conversation. */
export interface ChatMessage {
  /** Who speaks; which roles exist is up to the model's template. */
  role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  /** What is said. */
  content: string;
}

/** How a conversation is written out for a model. */
export interface ChatOptions {
  /** End with the marker after which the assistant speaks. Default: true. */
  addGenerationPrompt?: boolean;
  /** Further variables of the model's template, e.g. `enable_thinking`. */
  variables?: Record<string, unknown>;
}

/** A model's chat template: Jinja source that writes a conversation as the text the model was trained on. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #specialTokens: Readonly<Record<string, string>>;

  /**
   * @param source Jinja source.
   * @param specialTokens Variables such as `bos_token` and `eos_token`.
   * @throws AttentionError `ERR_UNSUPPORTED` when the source cannot be parsed.
   */
  constructor(source: string, specialTokens: Readonly<Record<string, string>> = {}) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw templateError('ERR_UNSUPPORTED', 'chat template', 'Jinja source', cause);
    }
    this.#specialTokens = specialTokens;
  }

  /**
   * Writes out `messages`.
   *
   * @throws AttentionError `ERR_RANGE` when the template refuses the messages.
   */
  render(
    messages: readonly ChatMessage[],
    { addGenerationPrompt = true, variables = {} }: ChatOptions = {},
  ): string {
    try {
      return this.#template.render({
        ...this.#specialTokens,
        ...variables,
        messages,
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (cause) {
      throw templateError('ERR_RANGE', 'messages', "a conversation that the model's template accepts", cause);
    }
  }
}

function templateError(
  code: 'ERR_UNSUPPORTED' | 'ERR_RANGE',
  argument: string,
  expected: string,
  cause: unknown,
): AttentionError {
  const received = cause instanceof Error ? cause.message : String(cause);
  return new AttentionError(
    code,
    `[applyChatTemplate] ${argument}: expected ${expected}, received "${received}"`,
    {
      cause,
    },
  );
}

/** `chat_template` of tokenizer_config.json: one source, or several by name. */
export type ChatTemplateConfig = string | { name: string; template: string }[];

/** The source to use: the one called `default`, else the first. */
export function defaultChatTemplate(config: ChatTemplateConfig | undefined): string | undefined {
  if (!Array.isArray(config)) return config;
  return (config.find(({ name }) => name === 'default') ?? config.at(0))?.template;
}
