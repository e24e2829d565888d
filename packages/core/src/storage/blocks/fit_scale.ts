import { clamp, roundToEven } from './block_codec.ts';

const { abs, fround, sqrt } = Math; // in a vm context (jest), each access to a global is a slow lookup

/**
 * Finds a scale such that `scale · integer`, with integers in [-limit, limit), approximates `values[from..from +
 * length)`: least squares, weighted with the squares of the values, over scales around the one that maps the extreme
 * value to -limit.
 *
 * @returns The scale; 0 if all values are (almost) 0.
 * @see GGML's reference quantizer of q6_k, whose search this follows.
 */
export function fitScale(values: Float32Array, from: number, length: number, limit: number): number {
  let extreme = 0;
  for (let i = from; i < from + length; i++) {
    if (abs(values[i]) > abs(extreme)) extreme = values[i];
  }
  if (abs(extreme) < 1e-15) return 0;
  let best = 0;
  let scale = 0;
  for (const step of SCALE_STEPS) {
    const inverse = fround(-(limit + 0.1 * step) / extreme);
    let products = 0;
    let squares = 0;
    for (let i = from; i < from + length; i++) {
      const x = values[i];
      const integer = clamp(roundToEven(inverse * x), -limit, limit - 1);
      products += x * x * x * integer;
      squares += x * x * integer * integer;
    }
    if (squares <= 0) continue;
    // The weighted error of the best scale for these integers is a constant minus products² / squares.
    if (step !== 0 && products * products <= best * squares) continue;
    scale = products / squares;
    best = scale * products;
  }
  return fround(scale);
}

/** The unchanged scale first, then its neighbours, since a tie keeps the earlier one. */
const SCALE_STEPS = [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/**
 * Parameters of {@link fitScaleAndMinimum}: the largest integer, and the range of inverse scales to try, as offsets
 * from it.
 */
export interface ScaleSearch {
  readonly largest: number;
  readonly firstOffset: number;
  readonly steps: number;
}

/** A scale and a minimum: values are close to `scale · integer - minimum`. */
export interface ScaleAndMinimum {
  scale: number;
  minimum: number;
}

const INTEGERS = new Uint8Array(32);
const WEIGHTS = new Float64Array(32);

/**
 * Finds a scale and a minimum, neither below 0, such that `scale · integer - minimum`, with integers in [0, largest],
 * approximates the 32 values at `values[from]`: least squares, with more weight on large values, over a range of
 * scales.
 *
 * @see GGML's reference quantizer of q4_k and q5_k, whose search this follows.
 */
export function fitScaleAndMinimum(
  values: Float32Array,
  from: number,
  { largest, firstOffset, steps }: ScaleSearch,
): ScaleAndMinimum {
  let low = values[from];
  let high = values[from];
  let squares = 0;
  for (let i = 0; i < 32; i++) {
    const x = values[from + i];
    if (x < low) low = x;
    if (x > high) high = x;
    squares += x * x;
  }
  if (low > 0) low = 0;
  if (high === low) return { scale: 0, minimum: 0 - low }; // not -0

  const norm = sqrt(squares / 32);
  let sumWeights = 0;
  let sumValues = 0;
  for (let i = 0; i < 32; i++) {
    const x = values[from + i];
    WEIGHTS[i] = norm + abs(x);
    sumWeights += WEIGHTS[i];
    sumValues += WEIGHTS[i] * x;
  }

  const assign = (intervals: number, minimum: number): void => {
    const inverse = intervals / (high - minimum);
    for (let i = 0; i < 32; i++) {
      INTEGERS[i] = clamp(roundToEven(inverse * (values[from + i] - minimum)), 0, largest);
    }
  };
  const error = (scale: number, minimum: number): number => {
    let sum = 0;
    for (let i = 0; i < 32; i++) {
      const difference = scale * INTEGERS[i] + minimum - values[from + i];
      sum += WEIGHTS[i] * difference * difference;
    }
    return sum;
  };

  let best = { scale: (high - low) / largest, minimum: low };
  assign(largest, low);
  let smallestError = error(best.scale, best.minimum);
  for (let step = 0; step <= steps; step++) {
    assign(firstOffset + 0.1 * step + largest, best.minimum); // continues from the best one so far
    let sumIntegers = 0;
    let sumSquares = 0;
    let sumProducts = 0;
    for (let i = 0; i < 32; i++) {
      const weighted = WEIGHTS[i] * INTEGERS[i];
      sumIntegers += weighted;
      sumSquares += weighted * INTEGERS[i];
      sumProducts += weighted * values[from + i];
    }
    const determinant = sumWeights * sumSquares - sumIntegers * sumIntegers;
    if (determinant <= 0) continue;
    let scale = (sumWeights * sumProducts - sumValues * sumIntegers) / determinant;
    let minimum = (sumSquares * sumValues - sumIntegers * sumProducts) / determinant;
    if (minimum > 0) {
      minimum = 0;
      scale = sumProducts / sumSquares;
    }
    const candidate = error(scale, minimum);
    if (candidate >= smallestError) continue;
    smallestError = candidate;
    best = { scale, minimum };
  }
  return { scale: best.scale, minimum: 0 - best.minimum };
}
