/** What the scheduler knows of a request: its tokens. How many of them are in the cache the block manager knows. */
export class Sequence {
  readonly id: number;
  /** Prefixes are shared among sequences of equal salt only. */
  readonly salt: string | undefined;
  /** The prompt, then what was generated. */
  readonly tokens: number[];
  /** Tokens that the prefix cache had when the sequence was first admitted. */
  cachedTokens = 0;
  /** Times the sequence lost its blocks. */
  preemptions = 0;
  #promptLength: number;

  constructor(id: number, prompt: readonly number[], salt?: string) {
    this.id = id;
    this.tokens = [...prompt];
    this.#promptLength = prompt.length;
    this.salt = salt;
  }

  /** Tokens of the prompt. */
  get promptLength(): number {
    return this.#promptLength;
  }

  /** Adds tokens to the prompt; before any is generated. */
  protected extendPrompt(tokens: ArrayLike<number>): void {
    for (let i = 0; i < tokens.length; i++) this.tokens.push(tokens[i]);
    this.#promptLength = this.tokens.length;
  }
}
