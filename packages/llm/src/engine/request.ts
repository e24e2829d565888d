import type { Tokenizer } from '../tokenizer/index.ts';
import type { SamplingParameters } from './generate_options.ts';
import type { FinishReason } from './generation_stream.ts';
import { OutputText } from './output_text.ts';
import { PieceStream } from './piece_stream.ts';
import { Sequence } from './sequence.ts';
import { TokenPenalties } from './token_penalties.ts';

/** What a {@link Request} is made of; everything was checked. */
export interface RequestOptions {
  id: number;
  salt: string | undefined;
  sampling: SamplingParameters;
  stopTokens: ReadonlySet<number>;
  stop: readonly string[];
  tokenizer: Tokenizer | undefined;
  /** Called when the reader of the stream wants no more. */
  onAbort: (request: Request) => void;
}

/** One call of `generate`: its tokens, its text, and the stream that hands it out. */
export class Request extends Sequence {
  readonly sampling: SamplingParameters;
  readonly stream: PieceStream;
  /** Milliseconds from the call to the first token. */
  timeToFirstTokenMs: number | undefined;

  readonly #stopTokens: ReadonlySet<number>;
  readonly #output: OutputText | undefined;
  readonly #startTime = performance.now();
  #penalties: TokenPenalties | undefined;
  #maxTokens = 0;
  #ended = false;

  constructor({ id, salt, sampling, stopTokens, stop, tokenizer, onAbort }: RequestOptions) {
    super(id, [], salt);
    this.sampling = sampling;
    this.stream = new PieceStream(() => onAbort(this));
    this.#stopTokens = stopTokens;
    this.#output =
      tokenizer && new OutputText(tokenizer.detokenizer(), stop, (piece) => this.stream.push(piece));
  }

  /** Gives the request its prompt, and the most tokens to generate, at least 1. */
  setPrompt(tokens: ArrayLike<number>, maxTokens: number): void {
    this.extendPrompt(tokens);
    this.#maxTokens = maxTokens;
    this.#penalties = TokenPenalties.from(this.sampling, this.tokens);
  }

  /** Penalties of tokens so far; `undefined` without any. */
  get penalties(): TokenPenalties | undefined {
    return this.#penalties;
  }

  /** Whether it has its result or its error. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Tokens generated so far. */
  get generatedTokens(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Takes the next token; returns why the generation ends with it, if it does. */
  accept(token: number): FinishReason | undefined {
    this.timeToFirstTokenMs ??= performance.now() - this.#startTime;
    this.tokens.push(token);
    this.#penalties?.add(token);
    if (this.#stopTokens.has(token) || this.#output?.push(token)) return 'stop';
    return this.generatedTokens === this.#maxTokens ? 'length' : undefined;
  }

  /** Ends the stream with what there is. */
  finish(finishReason: FinishReason): void {
    this.#output?.flush();
    this.#ended = true;
    this.stream.end({
      text: this.#output?.text ?? '',
      tokenIds: this.tokens.slice(this.promptLength),
      finishReason,
      promptTokens: this.promptLength,
      cachedTokens: this.cachedTokens,
      preemptions: this.preemptions,
      seed: this.sampling.seed,
      timeToFirstTokenMs: this.timeToFirstTokenMs,
      totalMs: performance.now() - this.#startTime,
    });
  }

  /** Ends the stream with an error. */
  fail(error: unknown): void {
    this.#ended = true;
    this.stream.fail(error);
  }
}
