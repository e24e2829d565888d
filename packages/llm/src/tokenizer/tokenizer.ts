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

/** A text with something for every step. */
const PROBE = ' The probe: é1, 2\n';

/** Text to tokens and back, as Hugging Face transformers 5.17 reads them from a model folder. */
export class Tokenizer {
  readonly #pipeline: Pipeline;
  readonly #added: AddedVocabulary;
  readonly #surrounding: Surrounding;
  readonly #specialTokens: ReadonlyMap<string, AddedToken>;
  readonly #chatTemplate: ChatTemplate | undefined;
  #longestToken: number | undefined;

  /**
   * @param tokenizer Content of tokenizer.json.
   * @param config Content of tokenizer_config.json. Its `tokenizer_class` may replace parts of tokenizer.json, as in
   * transformers.
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
    this.decode(this.encode(PROBE)); // steps that cannot work are found now
  }

  /**
   * Reads tokenizer.json of a model folder and, where they are there, tokenizer_config.json, special_tokens_map.json,
   * added_tokens.json, chat_template.jinja, additional_chat_templates and what config.json says of the tokenizer.
   *
   * @throws AttentionError `ERR_RANGE` when tokenizer.json is missing or a file cannot be read, `ERR_DTYPE` when a file is
   * no JSON, and what the constructor throws.
   */
  static async load(directory: string): Promise<Tokenizer> {
    const { tokenizer, config } = await readTokenizerFiles(directory);
    return new Tokenizer(tokenizer, config);
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
    const raw = this.#added.splitRaw(text);
    const normalized = textsOf(raw).map((section) => this.#pipeline.normalize(section.text));
    const sections = this.#splitNormalized(raw, normalized);
    const encoded = piecesOf(sections).map((piece) => this.#pipeline.encode(piece));
    return this.#join(sections, encoded, addSpecialTokens);
  }

  /** {@link encode} in a thread of its own, for long texts: the event loop goes on. */
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

  /** Finds the tokens that are looked for in normalized texts; `normalized` are the texts among the sections. */
  #splitNormalized(raw: readonly Section[], normalized: readonly string[]): Section[] {
    let next = 0;
    return raw.flatMap((section) => {
      if ('id' in section) return [section];
      const inner = this.#added.splitNormalized(normalized[next++]);
      return section.begin === 0 ? inner : inner.map((part) => ('id' in part ? part : { ...part, begin: 1 }));
    });
  }

  /** `encoded` are the ids of the texts among the sections. */
  #join(sections: readonly Section[], encoded: readonly number[][], addSpecialTokens: boolean): number[] {
    let next = 0;
    const ids = sections.flatMap((section) => ('id' in section ? [section.id] : encoded[next++]));
    return addSpecialTokens ? [...this.#surrounding.before, ...ids, ...this.#surrounding.after] : ids;
  }

  /** Characters of the longest token: no text has fewer tokens than its characters divided by this. */
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
   * Token ids to text. Ids that the tokenizer does not have give no text: models may have more of them.
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
   * Writes out a conversation with the model's chat template.
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

  /** A new {@link Detokenizer} for one stream of tokens; special tokens give no text. */
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

/** `added_tokens_decoder` of tokenizer_config.json, in the order of its ids. */
function decoderTokens({ added_tokens_decoder: entries }: TokenizerConfig): AddedToken[] | undefined {
  if (entries === undefined || entries === null) return undefined;
  return Object.entries(entries)
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([id, json]) => readAddedToken(json, `tokenizer_config.json: added_tokens_decoder: ${id}`));
}
