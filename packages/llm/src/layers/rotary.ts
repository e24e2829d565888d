import { rotaryEmbedding } from '@attention-js/core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { RopeConfig, RopeScaling } from '../config/model_config.ts';
import type { WeightLoader } from '../models/weights.ts';

type Llama3Scaling = Extract<RopeScaling, { type: 'llama3' }>;
type YarnScaling = Extract<RopeScaling, { type: 'yarn' }>;

/** Rotary position embedding, shared by the layers that have the same one. */
export class Rotary {
  readonly #cos: Tensor2D;
  readonly #sin: Tensor2D;
  readonly #options: Pick<RopeConfig, 'interleaved' | 'rotaryDim'>;

  private constructor(cos: Tensor2D, sin: Tensor2D, { interleaved, rotaryDim }: RopeConfig) {
    this.#cos = cos;
    this.#sin = sin;
    this.#options = { interleaved, rotaryDim };
  }

  /** Makes the tables for positions 0 to `maxPositions` − 1; `weights` owns them. */
  static async load(weights: WeightLoader, config: RopeConfig, maxPositions: number): Promise<Rotary> {
    const frequencies = ropeFrequencies(config);
    const { scaling } = config;
    const factor = 'attentionFactor' in scaling ? scaling.attentionFactor : 1;
    // Angles are rounded to float32 as in PyTorch, which checkpoints were trained with.
    const table = (f: (angle: number) => number): Promise<Tensor2D> =>
      weights.table([maxPositions, frequencies.length], (rows, firstPosition) => {
        for (let i = 0, position = firstPosition; i < rows.length; position++) {
          for (const frequency of frequencies) rows[i++] = f(Math.fround(position * frequency)) * factor;
        }
      });
    return new Rotary(await table(Math.cos), await table(Math.sin), config);
  }

  /** Rotates `[tokens, heads, headSize]` queries and keys. */
  forward(query: Tensor, key: Tensor, positions: Tensor1D): [query: Tensor, key: Tensor] {
    return rotaryEmbedding(query, key, positions, this.#cos, this.#sin, this.#options);
  }
}

/** Radians per position of each pair of rotated elements. */
export function ropeFrequencies(config: RopeConfig): Float32Array {
  const { theta, rotaryDim, scaling } = config;
  const frequencies = Float32Array.from({ length: rotaryDim / 2 }, (_, i) => theta ** ((-2 * i) / rotaryDim));
  switch (scaling.type) {
    case 'linear':
      return frequencies.map((frequency) => frequency / scaling.factor);
    case 'llama3':
      return frequencies.map((frequency) => scaleLlama3(frequency, scaling));
    case 'yarn':
      return scaleYarn(frequencies, config, scaling);
    case 'longrope':
      return frequencies.map((frequency, i) => frequency / scaling.shortFactors[i]);
    default:
      return frequencies;
  }
}

/** Slow frequencies are stretched, fast ones kept, and those between are blended (Llama 3.1). */
function scaleLlama3(frequency: number, scaling: Llama3Scaling): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  const blend = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  const kept = Math.min(1, Math.max(0, blend));
  return frequency * (kept + (1 - kept) / factor);
}

/** The same by the number of the pair (YaRN, Peng et al. 2023). */
function scaleYarn(
  frequencies: Float32Array,
  { theta, rotaryDim }: RopeConfig,
  scaling: YarnScaling,
): Float32Array {
  const { factor, betaFast, betaSlow, originalMaxPositions, truncate } = scaling;
  /** The pair, counted in elements, that rotates so many times in the original context. */
  const pairOf = (rotations: number): number =>
    (rotaryDim * Math.log(originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [pairOf(betaFast), pairOf(betaSlow)];
  const first = Math.max(truncate ? Math.floor(fast) : fast, 0);
  const last = Math.min(truncate ? Math.ceil(slow) : slow, rotaryDim - 1);
  const width = last === first ? 0.001 : last - first;
  return frequencies.map((frequency, i) => {
    const stretched = Math.min(1, Math.max(0, (i - first) / width));
    return frequency * (1 - stretched + stretched / factor);
  });
}
