/** The blocks of one sequence, and how far they are filled. */
export class SequenceBlocks {
  /** Separates prompts that must not share blocks. */
  readonly salt: string;
  /** Tokens that have slots. */
  length = 0;
  /** Tokens whose keys and values were written. */
  committed = 0;
  /** Leading tokens whose ids are known. */
  known = 0;
  /** Leading blocks whose content the prefix index knows. */
  numIndexed = 0;
  /** The known token ids while the sequence is swapped out and its blocks are host blocks. */
  swappedTokens?: Int32Array;

  #blocks = new Int32Array(4);
  #numBlocks = 0;

  constructor(salt: string) {
    this.salt = salt;
  }

  get numBlocks(): number {
    return this.#numBlocks;
  }

  /** A view of its blocks, in order, valid until they change. */
  get blockTable(): Int32Array {
    return this.#blocks.subarray(0, this.#numBlocks);
  }

  block(position: number): number {
    return this.#blocks[position];
  }

  pushBlock(block: number): void {
    if (this.#numBlocks === this.#blocks.length) {
      const larger = new Int32Array(2 * this.#numBlocks);
      larger.set(this.#blocks);
      this.#blocks = larger;
    }
    this.#blocks[this.#numBlocks++] = block;
  }

  popBlock(): number {
    return this.#blocks[--this.#numBlocks];
  }

  clone(): SequenceBlocks {
    const { salt, length, committed, known, numIndexed } = this;
    const clone = Object.assign(new SequenceBlocks(salt), { length, committed, known, numIndexed });
    for (const block of this.blockTable) clone.pushBlock(block);
    return clone;
  }
}
