import type { Detokenizer } from '../tokenizer/index.ts';
import { StopStrings } from './stop_strings.ts';

/** The text of one request: tokens in, pieces of text out, until a stop string is reached. */
export class OutputText {
  readonly #detokenizer: Detokenizer;
  readonly #stopStrings: StopStrings;
  readonly #emit: (piece: string) => void;
  #text = '';

  constructor(detokenizer: Detokenizer, stop: readonly string[], emit: (piece: string) => void) {
    this.#detokenizer = detokenizer;
    this.#stopStrings = new StopStrings(stop);
    this.#emit = emit;
  }

  /** All that was given out so far. */
  get text(): string {
    return this.#text;
  }

  /** Adds a token; returns whether a stop string is complete. */
  push(token: number): boolean {
    const { text, stopped } = this.#stopStrings.push(this.#detokenizer.push(token));
    this.#give(text);
    return stopped;
  }

  /** Gives out what was held back in case it became a stop string. */
  flush(): void {
    this.#give(this.#stopStrings.flush());
  }

  #give(piece: string): void {
    if (piece === '') return;
    this.#text += piece;
    this.#emit(piece);
  }
}
