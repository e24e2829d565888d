import { geluAndMul, siluAndMul, storageOf } from '@attention-js/core';
import { concat, onesLike, relu, square } from '@tensorflow/tfjs-core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { GatedActivation, MlpConfig, ModelConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { WeightLoader } from '../models/weights.ts';
import { Linear } from './linear.ts';
import { inStorage } from './storage.ts';

/** What follows the attention in a layer. */
export interface FeedForward {
  /** `[tokens, hidden]` in and out. */
  forward(x: Tensor2D): Tensor2D;
}

const gatedActivations: Record<GatedActivation, (x: Tensor2D) => Tensor2D> = {
  silu: (x) => siluAndMul(x) as Tensor2D,
  gelu: (x) => geluAndMul(x) as Tensor2D,
  gelu_tanh: (x) => geluAndMul(x, { approximate: 'tanh' }) as Tensor2D,
};

/** Two projections with an activation between them; gate and up projection are one. */
export class Mlp implements FeedForward {
  readonly #config: MlpConfig;
  readonly #up: Linear;
  readonly #down: Linear;

  private constructor(config: MlpConfig, up: Linear, down: Linear) {
    this.#config = config;
    this.#up = up;
    this.#down = down;
  }

  /** @param prefix What the layer's names begin with. */
  static async load(
    weights: WeightLoader,
    { mlp, hiddenSize }: ModelConfig,
    names: WeightNames,
    prefix: string,
  ): Promise<Mlp> {
    const { bias, gated, intermediateSize } = mlp;
    const rows = ((gated ? 2 : 1) * intermediateSize) / names.up.length; // gate and up may be stored as one
    const parts = names.up.map((name) => ({ name: prefix + name, rows }));
    const down = [{ name: prefix + names.down, rows: hiddenSize }];
    return new Mlp(
      mlp,
      await Linear.load(weights, { parts, columns: hiddenSize, bias }),
      await Linear.load(weights, { parts: down, columns: intermediateSize, bias }),
    );
  }

  forward(x: Tensor2D): Tensor2D {
    return this.#down.forward(activate(this.#up.forward(x), this.#config));
  }
}

function activate(up: Tensor2D, { gated, activation }: MlpConfig): Tensor2D {
  const storage = storageOf(up);
  if (activation === 'relu2') return inStorage(square(relu(up)), storage); // no family has it with a gate
  // Without a gate, activation(up) is what a gate of `up` makes of ones: one op instead of eight for gelu.
  const pair = gated ? up : inStorage(concat([up, onesLike(up)], 1), storage);
  return gatedActivations[activation](pair);
}
