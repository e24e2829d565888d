import { rotaryEmbedding } from '@attention-js/core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { RopeConfig, RopeScaling } from '../config/model_config.ts';
import type { WeightLoader } from '../models/weights.ts';

type Llama3Scaling = Extract<RopeScaling, { type: 'llama3' }>;

/** Rotary position embedding with the tables of one model, shared by its layers. */
export class Rotary {
  readonly #cos: Tensor2D;
  readonly #sin: Tensor2D;

  private constructor(cos: Tensor2D, sin: Tensor2D) {
    this.#cos = cos;
    this.#sin = sin;
  }

  /** Makes the tables for positions 0 to `maxPositions` − 1; `weights` owns them. */
  static async load(
    weights: WeightLoader,
    config: RopeConfig,
    headSize: number,
    maxPositions: number,
  ): Promise<Rotary> {
    const frequencies = ropeFrequencies(config, headSize);
    // Angles are rounded to float32 as in PyTorch, which checkpoints were trained with.
    const table = (f: (angle: number) => number): Promise<Tensor2D> =>
      weights.table([maxPositions, frequencies.length], (rows, firstPosition) => {
        for (let i = 0, position = firstPosition; i < rows.length; position++) {
          for (const frequency of frequencies) rows[i++] = f(Math.fround(position * frequency));
        }
      });
    return new Rotary(await table(Math.cos), await table(Math.sin));
  }

  /** Rotates `[tokens, heads, headSize]` queries and keys. */
  forward(query: Tensor, key: Tensor, positions: Tensor1D): [query: Tensor, key: Tensor] {
    return rotaryEmbedding(query, key, positions, this.#cos, this.#sin);
  }
}

/** Radians a position of each pair of elements of a head. */
export function ropeFrequencies({ theta, scaling }: RopeConfig, headSize: number): Float32Array {
  const frequencies = Float32Array.from({ length: headSize / 2 }, (_, i) => theta ** ((-2 * i) / headSize));
  if (scaling.type === 'default') return frequencies;
  if (scaling.type === 'linear') return frequencies.map((frequency) => frequency / scaling.factor);
  return frequencies.map((frequency) => scaleLlama3(frequency, scaling));
}

/** Slow frequencies are stretched, fast ones kept, and those between are blended (Llama 3.1). */
function scaleLlama3(frequency: number, scaling: Llama3Scaling): number {
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  const blend = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
  const kept = Math.min(1, Math.max(0, blend));
  return frequency * (kept + (1 - kept) / factor);
}
