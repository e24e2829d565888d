import { cpuKernel } from '../cpu_kernel.ts';
import { philox4x32 } from './philox.ts';
import { rowArgmax } from './row_argmax.cpu.ts';
import type { SampleTokensInputs } from './sample_tokens.ts';
import { unpackSamplingParameters } from './sampling_parameters.ts';
import type { RowSamplingParameters } from './sampling_parameters.ts';
import { selectThreshold } from './select_threshold.cpu.ts';

const { exp, log, log1p } = Math;

export const sampleTokensCpu = cpuKernel<SampleTokensInputs, object>(
  ({ logits, parameters }, _attrs, [output]) => {
    const values = logits.values as Float32Array;
    const [rows, vocabulary] = logits.shape;
    const scratch = new Float32Array(vocabulary);
    for (let row = 0; row < rows; row++) {
      const start = row * vocabulary;
      const largest = rowArgmax(values, row, vocabulary);
      if (largest === -1) {
        output[row] = -1;
        continue;
      }
      const mostLikely = largest - start;
      const rowParameters = unpackSamplingParameters(parameters.values as Int32Array, row);
      output[row] =
        rowParameters.temperature === 0
          ? mostLikely
          : sampleRow(values.subarray(start, start + vocabulary), mostLikely, rowParameters, scratch);
    }
  },
);

/** The token with the largest sum of scaled logit and noise among those that the filters keep. */
function sampleRow(
  logits: Float32Array,
  mostLikely: number,
  parameters: RowSamplingParameters,
  scratch: Float32Array,
): number {
  const { temperature, seed, position } = parameters;
  const maximum = logits[mostLikely];
  const threshold = keptThreshold(logits, maximum, parameters, scratch);
  const noise = new GumbelNoise(seed, position);
  let best = mostLikely;
  let bestScore = noise.at(mostLikely);
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token];
    if (logit < threshold) continue;
    const scaled = (logit - maximum) / temperature;
    if (scaled + LARGEST_NOISE < bestScore) continue; // skips tokens that no noise could make the best: most of them
    const score = scaled + noise.at(token);
    if (score > bestScore || (score === bestScore && token < best)) {
      best = token;
      bestScore = score;
    }
  }
  return best;
}

/** The smallest logit that top-k, top-p and min-p keep. Each filter keeps the tokens above a threshold. */
function keptThreshold(
  logits: Float32Array,
  maximum: number,
  { temperature, topK, topP, minP }: RowSamplingParameters,
  scratch: Float32Array,
): number {
  let threshold = Number.NEGATIVE_INFINITY;
  if (topK > 0 && topK < logits.length) {
    scratch.set(logits);
    threshold = selectThreshold(scratch, logits.length, () => 1, topK);
  }
  if (topP < 1) {
    const probability = (logit: number) => exp((logit - maximum) / temperature);
    let count = 0;
    let total = 0;
    for (const logit of logits) {
      if (logit < threshold) continue;
      scratch[count++] = logit;
      total += probability(logit);
    }
    threshold = selectThreshold(scratch, count, probability, topP * total);
  }
  return minP > 0 ? Math.max(threshold, maximum + temperature * log(minP)) : threshold;
}

/** Gumbel noise for the tokens of one row, as defined by {@link sampleTokensOp}. */
class GumbelNoise {
  readonly #seed: number;
  readonly #position: number;
  readonly #words = new Uint32Array(4);
  #block = -1;

  constructor(seed: number, position: number) {
    this.#seed = seed >>> 0;
    this.#position = position;
  }

  at(token: number): number {
    const block = token >>> 2;
    if (block !== this.#block) {
      this.#block = block;
      this.#words[0] = block;
      this.#words[1] = this.#position;
      this.#words.fill(0, 2);
      philox4x32(this.#words, this.#seed, 0);
    }
    return gumbel(this.#words[token & 3]);
  }
}

/** Gumbel noise from 32 random bits. Small numbers give large noise, so the tail has full precision. */
function gumbel(bits: number): number {
  return -log(-log1p(-(bits + 0.5) * 2 ** -32));
}

const LARGEST_NOISE = gumbel(0);
