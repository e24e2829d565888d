import { clamp } from './block_codec.ts';
import type { BlockCodec } from './block_codec.ts';
import { readFloat16, writeFloat16 } from './float16_bytes.ts';

// Blocks of 32 integers with one float16 scale: GGML's q4_0, q5_0 and q8_0. An element is scale · integer.

const { abs, floor, fround, sign, trunc } = Math;

const LENGTH = 32;
const HALF = LENGTH / 2;

/** The element of largest magnitude, with its sign. */
function extreme(values: Float32Array, from: number): number {
  let found = 0;
  for (let i = from; i < from + LENGTH; i++) {
    if (abs(values[i]) > abs(found)) found = values[i];
  }
  return found;
}

/** A scale in 2 bytes, then one byte per integer. */
export const q8_0: BlockCodec = {
  decode(bytes, at, values, to) {
    const scale = readFloat16(bytes, at);
    for (let i = 0; i < LENGTH; i++) values[to + i] = scale * ((bytes[at + 2 + i] << 24) >> 24);
  },
  encode(values, from, bytes, at) {
    const scale = fround(abs(extreme(values, from)) / 127);
    const inverse = scale === 0 ? 0 : fround(1 / scale);
    writeFloat16(bytes, at, scale);
    for (let i = 0; i < LENGTH; i++) {
      const x = fround(values[from + i] * inverse);
      bytes[at + 2 + i] = sign(x) * floor(abs(x) + 0.5); // ties away from zero
    }
  },
};

/**
 * 4-bit integers, two per byte: element i in the low half and element i + 16 in the high half of byte i. With 5 bits,
 * the fifth bits of all elements come between the scale and these bytes.
 */
function nibbles(bits: 4 | 5): BlockCodec {
  const offset = 2 ** (bits - 1); // integers are stored unsigned
  const lowBits = bits === 5 ? 6 : 2;
  const largest = 2 * offset - 1;
  return {
    decode(bytes, at, values, to) {
      const scale = readFloat16(bytes, at);
      for (let i = 0; i < HALF; i++) {
        const pair = bytes[at + lowBits + i];
        let low = pair & 0xf;
        let high = pair >>> 4;
        if (bits === 5) {
          low |= ((bytes[at + 2 + (i >>> 3)] >>> (i & 7)) & 1) << 4;
          high |= ((bytes[at + 4 + (i >>> 3)] >>> (i & 7)) & 1) << 4;
        }
        values[to + i] = scale * (low - offset);
        values[to + HALF + i] = scale * (high - offset);
      }
    },
    encode(values, from, bytes, at) {
      // The extreme element maps to -offset, the only integer without a counterpart of the other sign.
      const scale = fround(extreme(values, from) / -offset);
      const inverse = scale === 0 ? 0 : fround(1 / scale);
      writeFloat16(bytes, at, scale);
      if (bits === 5) bytes.fill(0, at + 2, at + lowBits);
      const quantize = (i: number): number =>
        clamp(trunc(fround(fround(values[from + i] * inverse) + offset + 0.5)), 0, largest);
      for (let i = 0; i < HALF; i++) {
        const [low, high] = [quantize(i), quantize(i + HALF)];
        bytes[at + lowBits + i] = (low & 0xf) | ((high & 0xf) << 4);
        if (bits !== 5) continue;
        bytes[at + 2 + (i >>> 3)] |= (low >>> 4) << (i & 7);
        bytes[at + 4 + (i >>> 3)] |= (high >>> 4) << (i & 7);
      }
    },
  };
}

export const q4_0: BlockCodec = nibbles(4);
export const q5_0: BlockCodec = nibbles(5);
