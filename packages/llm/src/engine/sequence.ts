/** What the scheduler knows of a request: its tokens, and how many of them have keys and values in the cache. */
export class Sequence {
  readonly id: number;
  /** Prefixes are shared among sequences of equal salt only. */
  readonly salt: string | undefined;
  /** The prompt, then what was generated. */
  readonly tokens: number[];
  /** Tokens of the prompt. */
  readonly promptLength: number;
  /** Leading tokens whose keys and values are in the cache. */
  computed = 0;
  /** Tokens that the prefix cache had when the sequence was first admitted. */
  cachedTokens = 0;
  /** Times the sequence lost its blocks. */
  preemptions = 0;

  constructor(id: number, prompt: readonly number[], salt?: string) {
    this.id = id;
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.salt = salt;
  }

  /** Tokens to compute before the next one can be sampled: 1 in decode, more in prefill. */
  get pending(): number {
    return this.tokens.length - this.computed;
  }
}
