import { AttentionError } from '@attention-js/core';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { makeDecoder } from './decoder.ts';
import { EncodingWorker } from './encoding_worker.ts';
import type { Piece } from './encoding_worker.ts';
import { checkSteps } from './regex_safety.ts';
import type { TokenizerJson } from './tokenizer_json.ts';

/** Characters that take well below a second, by the power of the length that a regular expression may take. */
const LONGEST_INLINE = [16_384, 16_384, 1_024, 256];

/** The steps of a tokenizer.json that convert text to tokens and back, without added tokens. */
export class Pipeline {
  readonly #steps: HuggingFaceTokenizer;
  readonly #idOf: ReadonlyMap<string, number>;
  readonly #tokens: readonly (string | undefined)[];
  readonly #unknownId: number | undefined;
  readonly #decode: (tokens: string[]) => string;
  readonly #worker: EncodingWorker;
  /** Characters up to which a text is encoded in milliseconds, and never blocks other requests for long. */
  readonly longestInline: number;

  /** @throws AttentionError `ERR_UNSUPPORTED` for a step of an unknown kind. */
  constructor(file: TokenizerJson) {
    const degrees = (['normalizer', 'pre_tokenizer'] as const).map((part) => checkSteps(part, file[part]));
    checkSteps('decoder', file.decoder);
    this.longestInline = LONGEST_INLINE[Math.max(...degrees)];
    const library = { ...file, added_tokens: [], post_processor: null, decoder: null };
    try {
      this.#steps = new HuggingFaceTokenizer(library, {});
    } catch (cause) {
      const received = cause instanceof Error ? cause.message : String(cause);
      const message = `[Tokenizer] tokenizer.json: expected a supported tokenizer, received "${received}"`;
      throw new AttentionError('ERR_UNSUPPORTED', message, { cause });
    }
    this.#worker = new EncodingWorker(library);
    const { model } = this.#steps;
    const { tokens_to_ids: ids, vocab, unk_token_id: unknownId } = model as NonNullable<typeof model>;
    this.#idOf = ids;
    this.#tokens = vocab;
    this.#unknownId = unknownId;
    this.#decode = makeDecoder(file.decoder);
  }

  /** Number of tokens of the model. */
  get size(): number {
    return this.#idOf.size;
  }

  /** The id of one of the model's tokens. */
  idOf(token: string): number | undefined {
    return this.#idOf.get(token);
  }

  /** The text of one of the model's tokens. */
  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  /** The id of the token for unknown characters. */
  get unknownId(): number | undefined {
    return this.#unknownId;
  }

  normalize(text: string): string {
    return guarded(() => this.#steps.normalizer?.(text) ?? text);
  }

  /** The token ids of a normalized piece. */
  encode({ text, section }: Piece): number[] {
    return guarded(() => {
      const { pre_tokenizer: split, model } = this.#steps;
      const words = split ? split(text, { section_index: section }) : [text];
      return this.#ids((model as NonNullable<typeof model>)(words));
    });
  }

  /** As {@link normalize}, in a worker thread. */
  normalizeInWorker(texts: readonly string[]): Promise<string[]> {
    return this.#worker.normalize(texts);
  }

  /** As {@link encode}, in a worker thread. */
  async encodeInWorker(pieces: readonly Piece[]): Promise<number[][]> {
    return (await this.#worker.tokenize(pieces)).map((tokens) => this.#ids(tokens));
  }

  #ids(tokens: readonly string[]): number[] {
    const ids: number[] = [];
    for (const token of tokens) {
      const id = this.#idOf.get(token) ?? this.#unknownId;
      if (id !== undefined) ids.push(id);
    }
    return ids;
  }

  /** Number of characters of the longest token. */
  get longestToken(): number {
    let longest = 1;
    for (const token of this.#idOf.keys()) longest = Math.max(longest, token.length);
    return longest;
  }

  decode(tokens: string[]): string {
    return guarded(() => this.#decode(tokens));
  }
}

/** Runs steps that come from a file and that the library does not validate. */
function guarded<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (cause instanceof AttentionError) throw cause;
    const message = `[Tokenizer] tokenizer.json: expected steps that work on every text, received "${String(cause)}"`;
    throw new AttentionError('ERR_UNSUPPORTED', message, { cause });
  }
}
