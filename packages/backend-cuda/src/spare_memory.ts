/** Limits on the bytes kept in total and per piece. */
const [MAX_BYTES, MAX_PIECE_BYTES] = [32 * 2 ** 20, 4 * 2 ** 20];

/** Bytes that the driver allocates for a piece. */
const allocatedBytes = (byteLength: number): number => Math.ceil(byteLength / 512) * 512;

/**
 * Freed device memory, kept for allocations of the same size. A model's step allocates and frees the same sizes layer
 * after layer, and the driver takes microseconds for each. All work runs in stream order, so earlier work is done with
 * a piece before later work uses it.
 */
export class SpareMemory {
  #taken = 0;
  readonly #release: (address: number) => void;
  readonly #pieces = new Map<number, number[]>();

  /** @param release Returns a piece to the device. */
  constructor(release: (address: number) => void) {
    this.#release = release;
  }

  /** Takes a piece of exactly this size, if there is one. */
  take(byteLength: number): number | undefined {
    const address = this.#pieces.get(byteLength)?.pop();
    if (address !== undefined) this.#taken -= allocatedBytes(byteLength);
    return address;
  }

  /** Keeps a piece. Releases all pieces if the limit would be exceeded, because sizes go out of use. */
  put(address: number, byteLength: number): void {
    if (byteLength === 0 || byteLength > MAX_PIECE_BYTES) return this.#release(address);
    if (this.#taken + allocatedBytes(byteLength) > MAX_BYTES) this.clear();
    const pieces = this.#pieces.get(byteLength);
    if (pieces) pieces.push(address);
    else this.#pieces.set(byteLength, [address]);
    this.#taken += allocatedBytes(byteLength);
  }

  /** Releases all pieces. */
  clear(): void {
    const all = [...this.#pieces.values()].flat();
    this.#pieces.clear(); // first, because a failed device may throw
    this.#taken = 0;
    for (const address of all) this.#release(address);
  }
}
