/** Decodes token ids to text. */
export type Decode = (tokenIds: number[]) => string;

const TRAILING_INCOMPLETE = /\uFFFD+$/;

/**
 * Turns a stream of tokens into text. The pieces that it returns add up to the decoded text; a character whose bytes
 * are spread over several tokens is returned once it is complete, and never if the stream ends before.
 *
 * Decoders look at neighbouring tokens (for example to strip a leading space), so each token is decoded together with
 * the few tokens since the last point where the text was complete. The work per token is constant.
 *
 */
export class Detokenizer {
  readonly #decode: Decode;
  #window: number[] = [];
  /** Number of characters of the window's text that have been returned. */
  #emitted = 0;
  /** Number of leading tokens of the window that serve only as context. */
  #context = 0;

  constructor(decode: Decode) {
    this.#decode = decode;
  }

  /** Adds a token. Returns the text that it completes, possibly none. */
  push(tokenId: number): string {
    this.#window.push(tokenId);
    const decoded = this.#decode(this.#window);
    const complete = decoded.replace(TRAILING_INCOMPLETE, '');
    const text = complete.slice(this.#emitted);
    this.#emitted = Math.max(this.#emitted, complete.length);
    if (text !== '' && complete.length === decoded.length) this.#advance();
    return text;
  }

  /** Makes the tokens since the last complete point the context of the next ones. */
  #advance(): void {
    this.#window.splice(0, this.#context);
    this.#context = this.#window.length;
    this.#emitted = this.#decode(this.#window).length;
  }
}
