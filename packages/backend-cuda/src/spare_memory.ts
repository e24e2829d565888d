/** Bytes that are kept at most, and of one piece. */
const [MOST_BYTES, LARGEST_PIECE] = [32 * 2 ** 20, 4 * 2 ** 20];

/** Bytes that the driver takes for a piece. */
const takenBytes = (byteLength: number): number => Math.ceil(byteLength / 512) * 512;

/**
 * Freed device memory that waits for an allocation of its size. A step of a model takes and frees the same pieces layer
 * after layer, and the driver needs microseconds for each. All work runs in order, so what was launched with a piece is
 * done with it before what gets it next begins.
 */
export class SpareMemory {
  #taken = 0;
  readonly #release: (address: number) => void;
  readonly #pieces = new Map<number, number[]>();

  /** @param release Gives a piece back to the device. */
  constructor(release: (address: number) => void) {
    this.#release = release;
  }

  /** The address of a piece of that size, where there is one. */
  take(byteLength: number): number | undefined {
    const address = this.#pieces.get(byteLength)?.pop();
    if (address !== undefined) this.#taken -= takenBytes(byteLength);
    return address;
  }

  /** Keeps a piece; gives all back before there are too many bytes, since sizes go out of use. */
  put(address: number, byteLength: number): void {
    if (byteLength === 0 || byteLength > LARGEST_PIECE) return this.#release(address);
    if (this.#taken + takenBytes(byteLength) > MOST_BYTES) this.clear();
    const pieces = this.#pieces.get(byteLength);
    if (pieces) pieces.push(address);
    else this.#pieces.set(byteLength, [address]);
    this.#taken += takenBytes(byteLength);
  }

  /** Gives all pieces back. */
  clear(): void {
    const all = [...this.#pieces.values()].flat();
    this.#pieces.clear(); // first: a device that has failed may refuse one
    this.#taken = 0;
    for (const address of all) this.#release(address);
  }
}
