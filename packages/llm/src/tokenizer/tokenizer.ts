import { AttentionError } from '@attention-js/core';
import { AddedVocabulary } from './added_vocabulary.ts';
import { chatTemplates } from './chat_template.ts';
import type { ChatMessage, ChatOptions, ChatTemplate } from './chat_template.ts';
import { Detokenizer } from './detokenizer.ts';
import type { Piece } from './encoding_worker.ts';
import { Pipeline } from './pipeline.ts';
import { surrounding } from './post_processor.ts';
import type { Surrounding } from './post_processor.ts';
import { recipeFor } from './rebuilt_tokenizer.ts';
import { specialTokens } from './special_tokens.ts';
import { FILE_CLASS, tokenizerClass } from './tokenizer_class.ts';
import { readTokenizerFiles } from './tokenizer_files.ts';
import { checkTokenizerConfig } from './tokenizer_config.ts';
import { checkTokenizerJson, plainToken, readAddedToken } from './tokenizer_json.ts';
import type { AddedToken, Section } from './added_vocabulary.ts';
import type { TokenizerConfig } from './tokenizer_config.ts';

/** A text that exercises every step. */
const PROBE = ' The probe: é1, 2\n';

/** Converts text to tokens and back as Hugging Face transformers 5.17 does with the same model folder. */
export class Tokenizer {
  readonly #pipeline: Pipeline;
  readonly #added: AddedVocabulary;
  readonly #surrounding: Surrounding;
  readonly #specialTokens: ReadonlyMap<string, AddedToken>;
  readonly #chatTemplate: ChatTemplate | undefined;
  #longestToken: number | undefined;

  /**
   * @param tokenizer The content of tokenizer.json.
   * @param config The content of tokenizer_config.json. As in transformers, its `tokenizer_class` may replace parts of
   * tokenizer.json.
   * @param chatTemplate Jinja source that replaces the one in `config`.
   * @throws AttentionError `ERR_UNSUPPORTED` for a tokenizer of an unknown kind and a template that is none; `ERR_DTYPE`
   * and `ERR_RANGE`, with file and key, for a value of the wrong kind.
   */
  constructor(tokenizer: object, config: TokenizerConfig = {}, chatTemplate?: string) {
    const original = checkTokenizerJson(tokenizer);
    checkTokenizerConfig(config);
    const name = tokenizerClass(undefined, config.tokenizer_class ?? FILE_CLASS);
    const recipe = recipeFor(name, original);
    const parts = recipe?.parts(config);
    const file = parts ? { ...original, ...parts, model: { ...original.model, ...parts.model } } : original;

    this.#pipeline = new Pipeline(file);
    this.#added = new AddedVocabulary(
      (content) => this.#pipeline.idOf(content),
      this.#pipeline.size,
      config.split_special_tokens === true,
    );
    const fromFile = original.added_tokens.map((json, i) =>
      readAddedToken(json, `tokenizer.json: added_tokens[${i}]`),
    );
    const fromConfig = decoderTokens(config) ?? (recipe ? fromFile : []);
    const known = new Map([...fromFile, ...fromConfig].map((token) => [token.content, token]));
    const { named, extra } = specialTokens(config, recipe?.defaults ?? {}, known);
    if (!recipe) fromFile.forEach((token) => this.#added.add(token));
    fromConfig.forEach((token) => this.#added.add(token));
    for (const token of [...named.values(), ...extra]) {
      if (this.#added.idOf(token.content) === undefined) this.#added.add({ ...token, special: true });
    }
    if (recipe?.plainSpecialTokens) {
      for (const { content } of [...named.values(), ...extra]) this.#added.add(plainToken(content, true));
    }
    this.#added.finish((text) => this.#pipeline.normalize(text));
    this.#surrounding = surrounding(recipe?.dropsPostProcessor ? null : original.post_processor);
    this.#specialTokens = named;
    const templates = chatTemplate ?? config.chat_template;
    this.#chatTemplate = chatTemplates(templates, named);
    this.decode(this.encode(PROBE)); // reports broken steps now instead of at the first text
  }

  /**
   * Reads tokenizer.json of a model folder and, if they exist, tokenizer_config.json, special_tokens_map.json,
   * added_tokens.json, chat_template.jinja, additional_chat_templates and config.json's settings for the tokenizer.
   *
   * @throws AttentionError `ERR_RANGE` when tokenizer.json is missing or a file cannot be read, `ERR_DTYPE` when a file is
   * no JSON, and what the constructor throws.
   */
  static async load(directory: string): Promise<Tokenizer> {
    const { tokenizer, config } = await readTokenizerFiles(directory);
    return new Tokenizer(tokenizer, config);
  }

  /** The id of the token that starts a text, if the tokenizer names one. */
  get bosTokenId(): number | undefined {
    return this.#idOf('bos_token');
  }

  /** The id of the token that ends a text, if the tokenizer names one. */
  get eosTokenId(): number | undefined {
    return this.#idOf('eos_token');
  }

  /** Whether the model comes with a chat template. */
  get hasChatTemplate(): boolean {
    return this.#chatTemplate !== undefined;
  }

  /**
   * Converts text to token ids.
   *
   * @param options `addSpecialTokens`: also the markers that the tokenizer puts around a text. Default: true.
   */
  encode(text: string, { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {}): number[] {
    const raw = this.#added.splitRaw(text);
    const normalized = textsOf(raw).map((section) => this.#pipeline.normalize(section.text));
    const sections = this.#splitNormalized(raw, normalized);
    const encoded = piecesOf(sections).map((piece) => this.#pipeline.encode(piece));
    return this.#join(sections, encoded, addSpecialTokens);
  }

  /** As {@link encode}, in a worker thread, so that a long text does not block the event loop. */
  async encodeInWorker(
    text: string,
    { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {},
  ): Promise<number[]> {
    const raw = this.#added.splitRaw(text);
    const normalized = await this.#pipeline.normalizeInWorker(textsOf(raw).map((section) => section.text));
    const sections = this.#splitNormalized(raw, normalized);
    const encoded = await this.#pipeline.encodeInWorker(piecesOf(sections));
    return this.#join(sections, encoded, addSpecialTokens);
  }

  /**
   * Finds the added tokens that are matched in normalized text; `normalized` are the normalized texts among the
   * sections.
   */
  #splitNormalized(raw: readonly Section[], normalized: readonly string[]): Section[] {
    let next = 0;
    return raw.flatMap((section) => {
      if ('id' in section) return [section];
      const inner = this.#added.splitNormalized(normalized[next++]);
      return section.begin === 0 ? inner : inner.map((part) => ('id' in part ? part : { ...part, begin: 1 }));
    });
  }

  /** Joins the ids of all sections; `encoded` are the ids of the texts among them. */
  #join(sections: readonly Section[], encoded: readonly number[][], addSpecialTokens: boolean): number[] {
    let next = 0;
    const ids = sections.flatMap((section) => ('id' in section ? [section.id] : encoded[next++]));
    return addSpecialTokens ? [...this.#surrounding.before, ...ids, ...this.#surrounding.after] : ids;
  }

  /** @internal Characters up to which {@link encode} takes well below a second; use {@link encodeInWorker} beyond. */
  get longestInline(): number {
    return this.#pipeline.longestInline;
  }

  /** Number of characters of the longest token. A text has at least its length divided by this many tokens. */
  get longestToken(): number {
    if (this.#longestToken === undefined) {
      const added = [...this.#added.tokens.values()].map(({ content }) => content.length);
      this.#longestToken = added.reduce(
        (most, length) => Math.max(most, length),
        this.#pipeline.longestToken,
      );
    }
    return this.#longestToken;
  }

  /**
   * Converts token ids to text. Unknown ids are ignored, because models may have more ids than the tokenizer.
   *
   * @param options `skipSpecialTokens`: leave out markers such as the end of the text. Default: true.
   */
  decode(
    tokenIds: readonly number[],
    { skipSpecialTokens = true }: { skipSpecialTokens?: boolean } = {},
  ): string {
    const tokens: string[] = [];
    for (const id of tokenIds) {
      const token = this.#added.tokens.get(id)?.content ?? this.#pipeline.tokenOf(id);
      if (token !== undefined && !(skipSpecialTokens && this.#added.isSpecial(token))) tokens.push(token);
    }
    return tokens.length === 0 ? '' : this.#pipeline.decode(tokens);
  }

  /**
   * Renders a conversation with the model's chat template.
   *
   * @returns The text, markers included: encode it with `addSpecialTokens: false`.
   * @throws AttentionError `ERR_UNSUPPORTED` when the model has no chat template, `ERR_RANGE` for no messages, and when the
   * template refuses them or takes too long.
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

  /** Makes a {@link Detokenizer} for one stream of tokens. Special tokens give no text. */
  detokenizer(): Detokenizer {
    return new Detokenizer((tokenIds) => this.decode(tokenIds));
  }

  #idOf(name: string): number | undefined {
    const token = this.#specialTokens.get(name)?.content;
    return token === undefined ? undefined : (this.#added.idOf(token) ?? this.#pipeline.idOf(token));
  }
}

function textsOf(sections: readonly Section[]): Extract<Section, { text: string }>[] {
  return sections.filter((section) => 'text' in section);
}

function piecesOf(sections: readonly Section[]): Piece[] {
  return textsOf(sections).map(({ text, begin }) => ({ text, section: begin === 0 ? 0 : 1 }));
}

/** The tokens of tokenizer_config.json's `added_tokens_decoder`, ordered by id. */
function decoderTokens({ added_tokens_decoder: entries }: TokenizerConfig): AddedToken[] | undefined {
  if (entries === undefined || entries === null) return undefined;
  return Object.entries(entries)
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([id, json]) => readAddedToken(json, `tokenizer_config.json: added_tokens_decoder: ${id}`));
}
