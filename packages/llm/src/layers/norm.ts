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

/** Normalises rows, after adding the residual where there is one. Weights are float32 in every model. */
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
  return config.kind === 'rms'
    ? new RmsNorm(await load('weight'), config)
    : new LayerNorm(await load('weight'), await load('bias'), config);
}

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
  readonly #bias: Tensor;
  readonly #epsilon: number;

  constructor(weight: Tensor, bias: Tensor, { epsilon }: NormConfig) {
    this.#weight = weight;
    this.#bias = bias;
    this.#epsilon = epsilon;
  }

  forward(x: Tensor, residual?: Tensor): Normalized {
    const storage = storageOf(x);
    const sum = residual ? inStorage(add(x, residual), storage) : x;
    const wide = inStorage(sum, 'float32');
    const { mean, variance } = moments(wide, -1, true);
    const unit = mul(sub(wide, mean), rsqrt(add(variance, this.#epsilon)));
    return { normed: inStorage(add(mul(unit, this.#weight), this.#bias), storage), sum };
  }
}
