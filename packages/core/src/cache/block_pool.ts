/**
 * The blocks of one cache, by number: which are free, their reference counts, and the unreferenced ones that still hold
 * cached content, in the order of their release (LRU). Every method is O(1) and allocates nothing.
 */
export class BlockPool {
  /** Number of blocks. */
  readonly size: number;
  /** Number of blocks whose cached content was evicted. */
  evictions = 0;

  readonly #onEvict: (block: number) => void;
  readonly #references: Int32Array;
  readonly #holdsContent: Uint8Array;
  readonly #freeStack: Int32Array;
  #free: number;
  // A doubly linked list over block numbers; index `size` is its head and tail.
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #cached = 0;

  /** @param onEvict Called before a block with cached content is reused. */
  constructor(size: number, onEvict: (block: number) => void = () => {}) {
    this.size = size;
    this.#onEvict = onEvict;
    this.#references = new Int32Array(size);
    this.#holdsContent = new Uint8Array(size);
    this.#freeStack = Int32Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#free = size;
    this.#older = new Int32Array(size + 1).fill(size);
    this.#newer = new Int32Array(size + 1).fill(size);
  }

  /** Blocks without references and without content. */
  get free(): number {
    return this.#free;
  }

  /** Blocks without references that hold cached content. */
  get cached(): number {
    return this.#cached;
  }

  /** Blocks that {@link take} can return: free ones, then cached ones. */
  get available(): number {
    return this.#free + this.#cached;
  }

  /** Number of references to `block`. */
  references(block: number): number {
    return this.#references[block];
  }

  /** Takes a block, with one reference: a free one, otherwise the least recently released cached one. */
  take(): number {
    let block: number;
    if (this.#free > 0) {
      block = this.#freeStack[--this.#free];
    } else {
      block = this.#newer[this.size];
      this.#unlink(block);
      this.#onEvict(block);
      this.#holdsContent[block] = 0;
      this.evictions++;
    }
    this.#references[block] = 1;
    return block;
  }

  /** Adds a reference to a block that is in use or cached. */
  retain(block: number): void {
    if (this.#references[block]++ === 0) this.#unlink(block);
  }

  /** Drops a reference. After the last one, the block becomes cached if it holds content, otherwise free. */
  release(block: number): void {
    if (--this.#references[block] > 0) return;
    if (this.#holdsContent[block]) this.#append(block);
    else this.#freeStack[this.#free++] = block;
  }

  /** Marks the content of a referenced block to be kept after its last reference is gone. */
  holdContent(block: number): void {
    this.#holdsContent[block] = 1;
  }

  #append(block: number): void {
    const newest = this.#older[this.size];
    this.#older[block] = newest;
    this.#newer[block] = this.size;
    this.#newer[newest] = block;
    this.#older[this.size] = block;
    this.#cached++;
  }

  #unlink(block: number): void {
    const older = this.#older[block];
    const newer = this.#newer[block];
    this.#newer[older] = newer;
    this.#older[newer] = older;
    this.#cached--;
  }
}
