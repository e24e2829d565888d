import { geluAndMul, siluAndMul, storageOf } from '@attention-js/core';
import { concat, onesLike } from '@tensorflow/tfjs-core';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import type { MlpConfig, ModelConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { WeightLoader } from '../models/weights.ts';
import { Linear } from './linear.ts';
import { inStorage } from './storage.ts';

/** What follows the attention in a layer. */
export interface FeedForward {
  /** `[tokens, hidden]` in and out. */
  forward(x: Tensor2D): Tensor2D;
}

const gatedActivations: Record<MlpConfig['activation'], (x: Tensor2D) => Tensor2D> = {
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
    const { bias, intermediateSize } = mlp;
    const parts = names.up.map((name) => ({ name: prefix + name, rows: intermediateSize }));
    const down = [{ name: prefix + names.down, rows: hiddenSize }];
    return new Mlp(
      mlp,
      await Linear.load(weights, { parts, columns: hiddenSize, bias }),
      await Linear.load(weights, { parts: down, columns: intermediateSize, bias }),
    );
  }

  forward(x: Tensor2D): Tensor2D {
    const { gated, activation } = this.#config;
    const up = this.#up.forward(x);
    // Without a gate, activation(up) is what a gate of `up` makes of ones: one op instead of eight for gelu.
    const pair = gated ? up : inStorage(concat([up, onesLike(up)], 1), storageOf(up));
    return this.#down.forward(gatedActivations[activation](pair));
  }
}
