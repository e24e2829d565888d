const { fround } = Math; // in a vm context (jest), each access to a global is a slow lookup

/** Packs and unpacks one block of a {@link BlockStorage} type. */
export interface BlockCodec {
  /** Decodes the block at `bytes[at]` to `values`, starting at `to`. */
  decode(this: void, bytes: Uint8Array, at: number, values: Float32Array, to: number): void;
  /** Quantizes the elements starting at `values[from]`, all finite, to a block at `bytes[at]`. */
  encode(this: void, values: Float32Array, from: number, bytes: Uint8Array, at: number): void;
}

/** Rounds to the nearest integer, ties to even, as adding and subtracting 1.5 · 2^23 does in float32. |x| < 2^22. */
export function roundToEven(x: number): number {
  return fround(fround(x) + 12582912) - 12582912;
}

export function clamp(x: number, low: number, high: number): number {
  return x < low ? low : x > high ? high : x;
}
