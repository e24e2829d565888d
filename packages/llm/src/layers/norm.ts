import { rmsNorm, storageOf } from '@attention-js/core';
import { add, moments, mul, rsqrt, sub } from '@tensorflow/tfjs-core';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { NormConfig } from '../config/model_config.ts';
import type { WeightLoader } from '../models/weights.ts';
import { inStorage } from './storage.ts';

/** A normalised tensor, and what was normalised: the next residual. */
export interface Normalized {
  normed: Tensor;
  sum: Tensor;
}

/** Normalises rows, after adding the residual if there is one. Weights are float32 in every model. */
export interface Norm {
  /** Both results have the shape and storage type of `x`. */
  forward(x: Tensor, residual?: Tensor): Normalized;
}

/** Loads the norm of rows of length `size` that a checkpoint has under `name`. */
export async function loadNorm(
  weights: WeightLoader,
  name: string,
  size: number,
  config: NormConfig,
): Promise<Norm> {
  const load = (parameter: string): Promise<Tensor> =>
    weights.load([size], [{ name: `${name}.${parameter}`, shape: [size] }], { storage: 'float32' });
  const weight = await load('weight');
  if (config.kind === 'rms') return new RmsNorm(weight, config);
  return new LayerNorm(weight, config.bias ? await load('bias') : undefined, config);
}

/** For a layer without a norm: adds the residual and leaves the sum as it is. */
export const noNorm: Norm = {
  forward(x, residual) {
    const sum = residual ? inStorage(add(x, residual), storageOf(x)) : x;
    return { normed: sum, sum };
  },
};

class RmsNorm implements Norm {
  readonly #weight: Tensor;
  readonly #options: { epsilon: number; addUnitOffset: boolean };

  constructor(weight: Tensor, { epsilon, unitOffset }: NormConfig) {
    this.#weight = weight;
    this.#options = { epsilon, addUnitOffset: unitOffset };
  }

  forward(x: Tensor, residual?: Tensor): Normalized {
    if (!residual) return { normed: rmsNorm(x, this.#weight, this.#options), sum: x };
    const { epsilon, addUnitOffset } = this.#options;
    const [normed, sum] = rmsNorm(x, this.#weight, { epsilon, addUnitOffset, residual });
    return { normed, sum };
  }
}

class LayerNorm implements Norm {
  readonly #weight: Tensor;
  readonly #bias?: Tensor;
  readonly #config: NormConfig;

  constructor(weight: Tensor, bias: Tensor | undefined, config: NormConfig) {
    this.#weight = weight;
    this.#bias = bias;
    this.#config = config;
  }

  forward(x: Tensor, residual?: Tensor): Normalized {
    const storage = storageOf(x);
    const { epsilon, unitOffset } = this.#config;
    const { sum } = noNorm.forward(x, residual);
    const wide = inStorage(sum, 'float32');
    const { mean, variance } = moments(wide, -1, true);
    const unit = mul(sub(wide, mean), rsqrt(add(variance, epsilon)));
    const scaled = mul(unit, unitOffset ? add(this.#weight, 1) : this.#weight);
    return { normed: inStorage(this.#bias ? add(scaled, this.#bias) : scaled, storage), sum };
  }
}
