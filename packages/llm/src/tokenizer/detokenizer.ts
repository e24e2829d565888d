/** Token ids to text. */
export type Decode = (tokenIds: number[]) => string;

const TRAILING_INCOMPLETE = /\uFFFD+$/;

/**
 * Turns tokens into text as they come. What it gives back, joined, is the decoded whole; but a character whose bytes
 * are spread over several tokens comes only once it is complete, and never comes if the text ends within it.
 *
 * Decoders look at neighbouring tokens (a leading space may be stripped), so each token is decoded together with the
 * few before it, from the last place where the text was complete: constant work a token.
 */
export class Detokenizer {
  readonly #decode: Decode;
  #window: number[] = [];
  /** How much of the window's text was given out. */
  #emitted = 0;
  /** Tokens of the window that only lend it context. */
  #context = 0;

  constructor(decode: Decode) {
    this.#decode = decode;
  }

  /** Adds a token; returns the text that it completes, which may be none. */
  push(tokenId: number): string {
    this.#window.push(tokenId);
    const decoded = this.#decode(this.#window);
    const complete = decoded.replace(TRAILING_INCOMPLETE, '');
    const text = complete.slice(this.#emitted);
    this.#emitted = Math.max(this.#emitted, complete.length);
    if (text !== '' && complete.length === decoded.length) this.#advance();
    return text;
  }

  /** The tokens since the last complete place become the context of the next ones. */
  #advance(): void {
    this.#window.splice(0, this.#context);
    this.#context = this.#window.length;
    this.#emitted = this.#decode(this.#window).length;
  }
}
