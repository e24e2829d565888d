/**
 * Hashes the token ids of one block, given the hash of everything before it; 32 bits are used. Hits compare contents,
 * so a poor hash makes lookups slow but never wrong.
 */
export type BlockHash = (parentHash: number, tokens: ArrayLike<number>, start: number, end: number) => number;

/** The default {@link BlockHash}: multiply and shift over each token, then a final mix. */
export const hashBlock: BlockHash = (parentHash, tokens, start, end) => {
  let hash = parentHash;
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ tokens[i], 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0x85ebca77);
  return hash ^ (hash >>> 13);
};

/** No block: the parent of a prompt's first block, or nothing found. */
export const NO_BLOCK = -1;

/**
 * Finds full blocks by their content: their token ids and everything before them. Each content gets a number that is
 * never reused, so a block whose parent was evicted and whose parent's number was reused is not found by mistake.
 */
export class PrefixIndex {
  /** Token ids by slot, like keys and values in the cache. */
  readonly tokens: Int32Array;

  readonly #blockSize: number;
  readonly #hashFunction: BlockHash;
  readonly #hashes: Int32Array;
  readonly #contents: Float64Array;
  readonly #parentContents: Float64Array;
  /** Salts of first blocks that have one. */
  readonly #salts = new Map<number, string>();
  #lastContent = 0;
  // Blocks of equal hash bits form a singly linked list.
  readonly #buckets: Int32Array;
  readonly #nextInBucket: Int32Array;

  constructor(numBlocks: number, blockSize: number, hash: BlockHash) {
    this.#blockSize = blockSize;
    this.#hashFunction = hash;
    this.tokens = new Int32Array(numBlocks * blockSize);
    this.#hashes = new Int32Array(numBlocks);
    this.#contents = new Float64Array(numBlocks);
    this.#parentContents = new Float64Array(numBlocks);
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(numBlocks))).fill(NO_BLOCK);
    this.#nextInBucket = new Int32Array(numBlocks);
  }

  /** The block that holds `tokens[start .. start + blockSize)` after `parent`, or {@link NO_BLOCK}. */
  find(parent: number, salt: string, tokens: ArrayLike<number>, start: number): number {
    return this.#lookUp(this.#hash(parent, salt, tokens, start), parent, salt, tokens, start);
  }

  /**
   * Registers a full `block` after `parent` by the token ids in its slots. If the same content is already registered,
   * because two sequences computed it at the same time, the earlier block is kept.
   *
   * @returns Whether `block` can be found from now on.
   */
  add(block: number, parent: number, salt: string): boolean {
    const start = block * this.#blockSize;
    const hash = this.#hash(parent, salt, this.tokens, start);
    const known = this.#lookUp(hash, parent, salt, this.tokens, start);
    this.#hashes[block] = hash;
    this.#parentContents[block] = this.#content(parent);
    this.#contents[block] = known === NO_BLOCK ? ++this.#lastContent : this.#contents[known];
    if (known !== NO_BLOCK) return false;
    if (parent === NO_BLOCK && salt !== '') this.#salts.set(block, salt);
    const bucket = this.#bucket(hash);
    this.#nextInBucket[block] = this.#buckets[bucket];
    this.#buckets[bucket] = block;
    return true;
  }

  /** Removes a block that {@link add} registered. */
  remove(block: number): void {
    const bucket = this.#bucket(this.#hashes[block]);
    const next = this.#nextInBucket[block];
    let current = this.#buckets[bucket];
    if (current === block) {
      this.#buckets[bucket] = next;
    } else {
      while (this.#nextInBucket[current] !== block) current = this.#nextInBucket[current];
      this.#nextInBucket[current] = next;
    }
    this.#salts.delete(block);
  }

  #hash(parent: number, salt: string, tokens: ArrayLike<number>, start: number): number {
    const parentHash = parent === NO_BLOCK ? hashText(salt) : this.#hashes[parent];
    return this.#hashFunction(parentHash, tokens, start, start + this.#blockSize) | 0;
  }

  #lookUp(hash: number, parent: number, salt: string, tokens: ArrayLike<number>, start: number): number {
    const parentContent = this.#content(parent);
    let block = this.#buckets[this.#bucket(hash)];
    while (block !== NO_BLOCK) {
      if (
        this.#hashes[block] === hash &&
        this.#parentContents[block] === parentContent &&
        (parent !== NO_BLOCK || (this.#salts.get(block) ?? '') === salt) &&
        this.#holds(block, tokens, start)
      ) {
        return block;
      }
      block = this.#nextInBucket[block];
    }
    return NO_BLOCK;
  }

  #holds(block: number, tokens: ArrayLike<number>, start: number): boolean {
    const first = block * this.#blockSize;
    for (let i = 0; i < this.#blockSize; i++) {
      if (this.tokens[first + i] !== tokens[start + i]) return false;
    }
    return true;
  }

  #content(block: number): number {
    return block === NO_BLOCK ? 0 : this.#contents[block];
  }

  #bucket(hash: number): number {
    return hash & (this.#buckets.length - 1);
  }
}

function hashText(text: string): number {
  let hash = text.length;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
