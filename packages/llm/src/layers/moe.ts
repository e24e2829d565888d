import { fusedMoe, topkSoftmax } from '@attention-js/core';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig, MoeConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { WeightLoader } from '../models/weights.ts';
import type { WeightSource } from '../models/weight_entries.ts';
import { Linear } from './linear.ts';
import type { FeedForward } from './mlp.ts';

/** A mixture of experts: each token goes through the few experts that the router chooses for it. */
export class MixtureOfExperts implements FeedForward {
  readonly #config: MoeConfig;
  readonly #router: Linear;
  readonly #gateUp: Tensor;
  readonly #down: Tensor;

  private constructor(config: MoeConfig, router: Linear, gateUp: Tensor, down: Tensor) {
    this.#config = config;
    this.#router = router;
    this.#gateUp = gateUp;
    this.#down = down;
  }

  /** @param prefix What the layer's names begin with. */
  static async load(
    weights: WeightLoader,
    config: MoeConfig,
    { hiddenSize }: ModelConfig,
    { experts }: WeightNames,
    prefix: string,
  ): Promise<MixtureOfExperts> {
    const { numExperts, intermediateSize } = config;
    const sources = (shape: number[], ...names: string[]): WeightSource[] =>
      Array.from({ length: numExperts }, (_, expert) =>
        names.map((name) => ({ name: `${prefix}${name.replace('{}', String(expert))}.weight`, shape })),
      ).flat();
    const router = { parts: [{ name: prefix + experts.router, rows: numExperts }], columns: hiddenSize };
    return new MixtureOfExperts(
      config,
      await Linear.load(weights, router),
      await weights.load(
        [numExperts, 2 * intermediateSize, hiddenSize],
        sources([intermediateSize, hiddenSize], experts.gate, experts.up),
      ),
      await weights.load(
        [numExperts, hiddenSize, intermediateSize],
        sources([hiddenSize, intermediateSize], experts.down),
      ),
    );
  }

  forward(x: Tensor2D): Tensor2D {
    const { numExpertsPerToken, renormalize, activation } = this.#config;
    const routing = topkSoftmax(this.#router.forward(x), numExpertsPerToken, { renormalize });
    return fusedMoe(x, this.#gateUp, this.#down, routing.weights, routing.ids, { activation });
  }
}
