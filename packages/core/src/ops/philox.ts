const { imul } = Math;

/** High 32 bits of the product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const low = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (low >>> 16);
}

/**
 * Philox 4x32-10, a counter-based random number generator: replaces the four 32-bit words of a counter by four random
 * words, in place. It has no state, so any word of any stream can be computed independently, on any device.
 *
 * @param words The counter, four unsigned words; then the result.
 * @param key0 First word of the key, unsigned.
 * @param key1 Second word of the key, unsigned.
 * @see Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
 */
export function philox4x32(words: Uint32Array, key0: number, key1: number): void {
  let w0 = words[0];
  let w1 = words[1];
  let w2 = words[2];
  let w3 = words[3];
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, w0);
    const high2 = multiplyHigh(0xcd9e8d57, w2);
    const low0 = imul(0xd2511f53, w0);
    const low2 = imul(0xcd9e8d57, w2);
    w0 = (high2 ^ w1 ^ k0) >>> 0;
    w1 = low2;
    w2 = (high0 ^ w3 ^ k1) >>> 0;
    w3 = low0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  words[0] = w0;
  words[1] = w1;
  words[2] = w2;
  words[3] = w3;
}
