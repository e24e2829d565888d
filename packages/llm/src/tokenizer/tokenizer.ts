import { AttentionError } from '@attention-js/core';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { parseJson } from '../parse_json.ts';
import { readOptionalText } from '../read_optional_text.ts';
import { ChatTemplate, defaultChatTemplate } from './chat_template.ts';
import type { ChatMessage, ChatOptions, ChatTemplateConfig } from './chat_template.ts';
import { Detokenizer } from './detokenizer.ts';
import { EncodingWorker } from './encoding_worker.ts';

/** What is read of tokenizer_config.json. */
export interface TokenizerConfig {
  /** Jinja source of the chat template, or several by name. */
  chat_template?: ChatTemplateConfig;
  /** Special tokens (`bos_token`, `eos_token`, …) and settings. */
  [key: string]: unknown;
}

/** Text to tokens and back, as a Hugging Face model folder describes it. */
export class Tokenizer {
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #specialIds: ReadonlySet<number>;
  readonly #specialTokens: Readonly<Record<string, string>>;
  readonly #chatTemplate: ChatTemplate | undefined;
  readonly #worker: EncodingWorker;
  #longestToken: number | undefined;

  /**
   * @param tokenizer Content of tokenizer.json.
   * @param config Content of tokenizer_config.json.
   * @param chatTemplate Jinja source that replaces the one in `config`.
   * @throws AttentionError `ERR_UNSUPPORTED` for a tokenizer of an unknown kind.
   */
  constructor(
    tokenizer: object,
    config: TokenizerConfig = {},
    chatTemplate = defaultChatTemplate(config.chat_template),
  ) {
    try {
      this.#tokenizer = new HuggingFaceTokenizer(tokenizer, config);
    } catch (cause) {
      const received = cause instanceof Error ? cause.message : String(cause);
      const message = `[Tokenizer] tokenizer.json: expected a supported tokenizer, received "${received}"`;
      throw new AttentionError('ERR_UNSUPPORTED', message, { cause });
    }
    this.#worker = new EncodingWorker(tokenizer, config);
    const added = [...this.#tokenizer.get_added_tokens_decoder()];
    this.#specialIds = new Set(added.filter(([, token]) => token.special).map(([id]) => id));
    this.#specialTokens = specialTokens(config);
    this.#chatTemplate =
      chatTemplate === undefined ? undefined : new ChatTemplate(chatTemplate, this.#specialTokens);
  }

  /**
   * Reads tokenizer.json, tokenizer_config.json and chat_template.jinja (the last two where present) from a model
   * folder.
   *
   * @throws AttentionError `ERR_RANGE` when tokenizer.json is missing, `ERR_DTYPE` when a file is no JSON.
   */
  static async load(directory: string): Promise<Tokenizer> {
    const [tokenizer, config, chatTemplate] = await Promise.all([
      readOptionalText(directory, 'tokenizer.json'),
      readOptionalText(directory, 'tokenizer_config.json'),
      readOptionalText(directory, 'chat_template.jinja'),
    ]);
    if (tokenizer === undefined) {
      const message = `[Tokenizer.load] directory: expected a folder with a tokenizer.json, received "${directory}"`;
      throw new AttentionError('ERR_RANGE', message);
    }
    return new Tokenizer(
      parseJson(tokenizer, 'tokenizer.json') as object,
      config === undefined ? {} : (parseJson(config, 'tokenizer_config.json') as TokenizerConfig),
      chatTemplate,
    );
  }

  /** Id of the token that begins a text, where the tokenizer names one. */
  get bosTokenId(): number | undefined {
    return this.#idOf('bos_token');
  }

  /** Id of the token that ends a text, where the tokenizer names one. */
  get eosTokenId(): number | undefined {
    return this.#idOf('eos_token');
  }

  /** Whether the model comes with a chat template. */
  get hasChatTemplate(): boolean {
    return this.#chatTemplate !== undefined;
  }

  /**
   * Text to token ids.
   *
   * @param options `addSpecialTokens`: also the markers that the tokenizer puts around a text. Default: true.
   */
  encode(text: string, { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {}): number[] {
    return this.#tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids;
  }

  /** {@link encode} in a thread of its own, for long texts: the event loop goes on. */
  encodeInWorker(
    text: string,
    { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {},
  ): Promise<number[]> {
    return this.#worker.encode(text, addSpecialTokens);
  }

  /** Characters of the longest token: no text has fewer tokens than its characters divided by this. */
  get longestToken(): number {
    if (this.#longestToken !== undefined) return this.#longestToken;
    let longest = 1;
    for (const token of this.#tokenizer.get_vocab().keys()) longest = Math.max(longest, token?.length ?? 0);
    this.#longestToken = longest;
    return longest;
  }

  /**
   * Token ids to text. Ids that the tokenizer does not have give none.
   *
   * @param options `skipSpecialTokens`: leave out markers such as the end of the text. Default: true.
   */
  decode(
    tokenIds: readonly number[],
    { skipSpecialTokens = true }: { skipSpecialTokens?: boolean } = {},
  ): string {
    const ids = tokenIds.filter(
      (id) =>
        this.#tokenizer.id_to_token(id) !== undefined && !(skipSpecialTokens && this.#specialIds.has(id)),
    );
    if (ids.length === 0) return '';
    return this.#tokenizer.decode(ids, { clean_up_tokenization_spaces: false });
  }

  /**
   * Writes out a conversation with the model's chat template.
   *
   * @returns The text, markers included: encode it with `addSpecialTokens: false`.
   * @throws AttentionError `ERR_UNSUPPORTED` when the model has no chat template, `ERR_RANGE` when the template
   * refuses the messages.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): string {
    if (!this.#chatTemplate) {
      throw new AttentionError(
        'ERR_UNSUPPORTED',
        '[applyChatTemplate] expected a model with a chat template, received one without; give it plain text instead',
      );
    }
    return this.#chatTemplate.render(messages, options);
  }

  /** A new {@link Detokenizer} for one stream of tokens; special tokens give no text. */
  detokenizer(): Detokenizer {
    return new Detokenizer((tokenIds) => this.decode(tokenIds));
  }

  #idOf(name: string): number | undefined {
    const token = this.#specialTokens[name];
    return token === undefined ? undefined : this.#tokenizer.token_to_id(token);
  }
}

/** `bos_token` and the like: strings, or objects with a `content`. */
function specialTokens(config: TokenizerConfig): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const [key, value] of Object.entries(config)) {
    if (!key.endsWith('_token')) continue;
    if (typeof value === 'string') tokens[key] = value;
    else if (typeof value === 'object' && value !== null && 'content' in value)
      tokens[key] = String(value.content);
  }
  return tokens;
}
