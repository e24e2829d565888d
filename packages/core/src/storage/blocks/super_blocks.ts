import { clamp, roundToEven } from './block_codec.ts';
import type { BlockCodec } from './block_codec.ts';
import { fitScale, fitScaleAndMinimum } from './fit_scale.ts';
import type { ScaleSearch } from './fit_scale.ts';
import { readFloat16, writeFloat16 } from './float16_bytes.ts';

// Blocks of 256 integers in groups. Each group has an integer scale, and these share a float16 scale: GGML's q4_k, q5_k
// and q6_k.

const LENGTH = 256;
const { fround } = Math;

/** Offsets within a block of q4_k and q5_k: scale, scale of the minima, 12 bytes of both per group, high bits, low bits. */
const [MINIMUM_AT, GROUPS_AT, BITS_AT] = [2, 4, 16];

/** The 6-bit scale of a group of 32; groups from the fifth on keep their upper 2 bits beside those of the first four. */
function groupScale(bytes: Uint8Array, at: number, group: number): number {
  const packed = at + GROUPS_AT + group;
  if (group < 4) return bytes[packed] & 63;
  return (bytes[packed + 4] & 0xf) | ((bytes[packed - 4] >>> 6) << 4);
}

/** The 6-bit minimum of a group of 32. */
function groupMinimum(bytes: Uint8Array, at: number, group: number): number {
  const packed = at + GROUPS_AT + group;
  if (group < 4) return bytes[packed + 4] & 63;
  return (bytes[packed + 4] >>> 4) | ((bytes[packed] >>> 6) << 4);
}

function writeGroup(bytes: Uint8Array, at: number, group: number, scale: number, minimum: number): void {
  const packed = at + GROUPS_AT + group;
  if (group < 4) {
    bytes[packed] = scale;
    bytes[packed + 4] = minimum;
    return;
  }
  bytes[packed + 4] = (scale & 0xf) | ((minimum & 0xf) << 4);
  bytes[packed - 4] |= (scale >>> 4) << 6;
  bytes[packed] |= (minimum >>> 4) << 6;
}

/**
 * Groups of 32 with a scale and a minimum: an element is scale · integer - minimum. The low 4 bits of groups 2j and 2j + 1
 * share 32 bytes; the fifth bit of group g is bit g of 32 bytes before them.
 */
function groupsWithMinima(bits: 4 | 5, search: ScaleSearch): BlockCodec {
  const lowBitsAt = bits === 5 ? BITS_AT + 32 : BITS_AT;
  const integers = new Uint8Array(LENGTH);
  return {
    decode(bytes, at, values, to) {
      const scale = readFloat16(bytes, at);
      const minimumScale = readFloat16(bytes, at + MINIMUM_AT);
      for (let group = 0; group < 8; group++) {
        const factor = scale * groupScale(bytes, at, group);
        const minimum = minimumScale * groupMinimum(bytes, at, group);
        const lowBits = at + lowBitsAt + (group >>> 1) * 32;
        const shift = (group & 1) * 4;
        for (let i = 0; i < 32; i++) {
          let integer = (bytes[lowBits + i] >>> shift) & 0xf;
          if (bits === 5) integer |= ((bytes[at + BITS_AT + i] >>> group) & 1) << 4;
          values[to + group * 32 + i] = factor * integer - minimum;
        }
      }
    },
    encode(values, from, bytes, at) {
      const groups = Array.from({ length: 8 }, (_, group) =>
        fitScaleAndMinimum(values, from + group * 32, search),
      );
      const largestScale = Math.max(...groups.map(({ scale }) => scale));
      const largestMinimum = Math.max(...groups.map(({ minimum }) => minimum));
      bytes.fill(0, at + GROUPS_AT, at + BITS_AT);
      groups.forEach((group, i) => {
        const scale = largestScale > 0 ? roundToEven((63 / largestScale) * group.scale) : 0;
        const minimum = largestMinimum > 0 ? roundToEven((63 / largestMinimum) * group.minimum) : 0;
        writeGroup(bytes, at, i, clamp(scale, 0, 63), clamp(minimum, 0, 63));
      });
      const scale = writeFloat16(bytes, at, largestScale / 63);
      const minimumScale = writeFloat16(bytes, at + MINIMUM_AT, largestMinimum / 63);
      for (let group = 0; group < 8; group++) {
        const factor = scale * groupScale(bytes, at, group);
        const minimum = minimumScale * groupMinimum(bytes, at, group);
        for (let i = group * 32; i < group * 32 + 32; i++) {
          const x = (values[from + i] + minimum) / factor;
          integers[i] = factor === 0 ? 0 : clamp(roundToEven(x), 0, search.largest);
        }
      }
      bytes.fill(0, at + BITS_AT, at + lowBitsAt);
      integers.forEach((integer, i) => {
        const group = i >>> 5;
        const lowBits = at + lowBitsAt + (group >>> 1) * 32 + (i & 31);
        if (group & 1) bytes[lowBits] |= (integer & 0xf) << 4;
        else bytes[lowBits] = integer & 0xf;
        if (bits === 5) bytes[at + BITS_AT + (i & 31)] |= (integer >>> 4) << group;
      });
    },
  };
}

export const q4_k: BlockCodec = groupsWithMinima(4, { largest: 15, firstOffset: -1, steps: 20 });
export const q5_k: BlockCodec = groupsWithMinima(5, { largest: 31, firstOffset: -0.5, steps: 15 });

/** Offsets within a block of q6_k: the low 4 bits, the high 2 bits, a signed byte of scale per group of 16, the scale. */
const Q6 = { highBits: 128, groups: 192, scale: 208 };

/** The position of an element's bits in q6_k. Each half of the block, of 128 elements, uses half of the bytes. */
function placeInQ6(i: number): { low: number; lowShift: number; high: number; highShift: number } {
  const half = i >>> 7;
  const quarter = (i >>> 5) & 3;
  return {
    low: half * 64 + (quarter & 1) * 32 + (i & 31),
    lowShift: (quarter >>> 1) * 4,
    high: half * 32 + (i & 31),
    highShift: quarter * 2,
  };
}

/** Groups of 16 with a scale: an element is scale · integer, with integers in [-32, 32). */
export const q6_k: BlockCodec = {
  decode(bytes, at, values, to) {
    const scale = readFloat16(bytes, at + Q6.scale);
    for (let half = 0; half < 2; half++) {
      for (let quarter = 0; quarter < 4; quarter++) {
        const lowBits = at + half * 64 + (quarter & 1) * 32;
        const highBits = at + Q6.highBits + half * 32;
        const groups = at + Q6.groups + half * 8 + quarter * 2;
        const [lowShift, highShift] = [(quarter >>> 1) * 4, quarter * 2];
        const out = to + half * 128 + quarter * 32;
        for (let i = 0; i < 32; i++) {
          const low = (bytes[lowBits + i] >>> lowShift) & 0xf;
          const high = (bytes[highBits + i] >>> highShift) & 3;
          const group = (bytes[groups + (i >>> 4)] << 24) >> 24;
          values[out + i] = scale * group * ((low | (high << 4)) - 32);
        }
      }
    }
  },
  encode(values, from, bytes, at) {
    const scales = Array.from({ length: 16 }, (_, group) => fitScale(values, from + group * 16, 16, 32));
    const extreme = scales.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
    bytes.fill(0, at, at + Q6.scale + 2);
    if (Math.abs(extreme) < 1e-15) return;
    const inverse = fround(-128 / extreme);
    const scale = writeFloat16(bytes, at + Q6.scale, 1 / inverse);
    for (let group = 0; group < 16; group++) {
      const integer = Math.min(127, roundToEven(inverse * scales[group]));
      bytes[at + Q6.groups + group] = integer;
      const factor = scale * integer;
      for (let i = group * 16; i < group * 16 + 16; i++) {
        const value = factor === 0 ? 0 : clamp(roundToEven(values[from + i] / factor), -32, 31);
        const { low, lowShift, high, highShift } = placeInQ6(i);
        bytes[at + low] |= ((value + 32) & 0xf) << lowShift;
        bytes[at + Q6.highBits + high] |= ((value + 32) >>> 4) << highShift;
      }
    }
  },
};
