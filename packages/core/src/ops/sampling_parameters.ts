import { countOf, describe, fitsFloat32, keysOf } from '../checks.ts';
import type { Checks } from '../checks.ts';

/** A number for all rows, or one per row. */
export type PerRow = number | ArrayLike<number>;

/** How {@link sampleTokens} chooses each row's token. */
export interface SamplingParameters {
  /** Divides the logits; 0 takes the most likely token. Default 1. */
  temperature?: PerRow;
  /** Keeps the `topK` most likely tokens; 0 (default) keeps all. */
  topK?: PerRow;
  /** Keeps the most likely tokens that together reach this probability, in (0, 1]; 1 (default) keeps all. */
  topP?: PerRow;
  /** Keeps the tokens at least `minP` times as likely as the most likely one, in [0, 1]; 0 (default) keeps all. */
  minP?: PerRow;
  /** Seed of a row's noise, any int32. Required unless every temperature is 0. */
  seeds?: PerRow;
  /**
   * Position in its sequence of the token to sample, int32 ≥ 0: it gives every step of a sequence different noise.
   * Required unless every temperature is 0.
   */
  positions?: PerRow;
}

/** Names of {@link SamplingParameters}. */
export const SAMPLING_PARAMETERS = keysOf<SamplingParameters>({
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  seeds: true,
  positions: true,
});

interface Field {
  name: keyof SamplingParameters;
  type: 'float32' | 'int32';
  /** Default value; `undefined` if random rows require the parameter. */
  fallback: number | undefined;
  expected: string;
  valid: (value: number) => boolean;
}

const isInt32 = (value: number): boolean => (value | 0) === value;

/** In the order of the rows of the packed parameters. */
const FIELDS: readonly Field[] = [
  {
    name: 'temperature',
    type: 'float32',
    fallback: 1,
    expected: 'a finite float32 >= 0',
    valid: (value) => value >= 0 && fitsFloat32(value),
  },
  {
    name: 'topP',
    type: 'float32',
    fallback: 1,
    expected: 'a float32 > 0 and <= 1',
    valid: (value) => value > 0 && value <= 1 && fitsFloat32(value),
  },
  {
    name: 'minP',
    type: 'float32',
    fallback: 0,
    expected: 'a float32 >= 0 and <= 1',
    valid: (value) => value >= 0 && value <= 1 && fitsFloat32(value),
  },
  {
    name: 'topK',
    type: 'int32',
    fallback: 0,
    expected: 'an int32 >= 0',
    valid: (value) => isInt32(value) && value >= 0,
  },
  { name: 'seeds', type: 'int32', fallback: undefined, expected: 'an int32', valid: isInt32 },
  {
    name: 'positions',
    type: 'int32',
    fallback: undefined,
    expected: 'an int32 >= 0',
    valid: (value) => isInt32(value) && value >= 0,
  },
];

/** Number of rows in the packed parameters. */
export const NUM_SAMPLING_FIELDS = FIELDS.length;

/**
 * Checks the parameters of `rows` rows and packs them into one `[6, rows]` array: temperature, topP and minP as the
 * bits of float32, then topK, seeds and positions as int32.
 */
export function packSamplingParameters(
  checks: Checks,
  parameters: SamplingParameters,
  rows: number,
): Int32Array {
  const packed = new Int32Array(NUM_SAMPLING_FIELDS * rows);
  const floats = new Float32Array(packed.buffer);
  FIELDS.forEach(({ name, type, fallback, expected, valid }, field) => {
    const { [name]: given = fallback } = parameters;
    const start = field * rows;
    if (given === undefined) {
      // `temperature` is the first field, so it is packed already.
      const greedy = floats.subarray(0, rows).every((temperature) => temperature === 0);
      if (!greedy) checks.fail('ERR_RANGE', name, `${expected} if any temperature is above 0`, 'undefined');
      return;
    }
    if (typeof given !== 'number' && given?.length !== rows) {
      const isList = typeof given === 'object' && given?.length !== undefined;
      const received = isList ? countOf(given.length, 'number') : describe(given);
      checks.fail('ERR_SHAPE', name, `a number, or one for each of ${countOf(rows, 'row')}`, received);
    }
    const target = type === 'float32' ? floats : packed;
    for (let row = 0; row < rows; row++) {
      const value = typeof given === 'number' ? given : given[row];
      if (typeof value !== 'number' || !valid(value))
        checks.fail('ERR_RANGE', name, expected, `${describe(value)} for row ${row}`);
      target[start + row] = value;
    }
  });
  return packed;
}

/** The parameters of one row. */
export interface RowSamplingParameters {
  temperature: number;
  topP: number;
  minP: number;
  topK: number;
  seed: number;
  position: number;
}

/** Reads row `row` of the parameters that {@link packSamplingParameters} packed. */
export function unpackSamplingParameters(packed: Int32Array, row: number): RowSamplingParameters {
  const floats = new Float32Array(packed.buffer, packed.byteOffset, packed.length);
  const rows = packed.length / NUM_SAMPLING_FIELDS;
  const [temperature, topP, minP] = [0, 1, 2].map((field) => floats[field * rows + row]);
  const [topK, seed, position] = [3, 4, 5].map((field) => packed[field * rows + row]);
  return { temperature, topP, minP, topK, seed, position };
}
