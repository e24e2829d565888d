const { fround } = Math; // in a vm context, as in jest, every use of a global is a slow lookup

/** Packs and unpacks one block of a {@link BlockStorage} type. */
export interface BlockCodec {
  /** Writes the elements of the block at `bytes[at]` to `values[to]` and on. */
  decode(this: void, bytes: Uint8Array, at: number, values: Float32Array, to: number): void;
  /** Quantizes the elements at `values[from]` and on, all of them finite, to a block at `bytes[at]`. */
  encode(this: void, values: Float32Array, from: number, bytes: Uint8Array, at: number): void;
}

/** Rounds to the nearest integer, ties to even, as adding and subtracting 1.5 · 2^23 does in float32. |x| < 2^22. */
export function roundToEven(x: number): number {
  return fround(fround(x) + 12582912) - 12582912;
}

export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}
