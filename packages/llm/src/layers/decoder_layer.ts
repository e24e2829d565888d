import { storageOf } from '@attention-js/core';
import { add, mul } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { WeightLoader } from '../models/weights.ts';
import { Attention } from './attention.ts';
import type { StepContext } from './attention.ts';
import { Mlp } from './mlp.ts';
import type { FeedForward } from './mlp.ts';
import { MixtureOfExperts } from './moe.ts';
import { loadNorm, noNorm } from './norm.ts';
import type { Norm } from './norm.ts';
import type { Rotary } from './rotary.ts';
import { inStorage } from './storage.ts';

/**
 * What one layer hands to the next: its output, and the residual that the next norm adds to it, so that adding and
 * normalising are one op.
 */
export interface HiddenState {
  x: Tensor;
  residual?: Tensor;
}

/** The parts of a layer, in the order in which they are applied. */
interface LayerParts {
  inputNorm: Norm;
  attention: Attention;
  attentionOutputNorm?: Norm;
  /** Absent if the feed-forward part shares the attention's norm. */
  mlpNorm?: Norm;
  feedForward: FeedForward;
  mlpOutputNorm?: Norm;
  residualScale?: number;
}

/** Attention and feed-forward part, each added to the residual. */
export class DecoderLayer {
  readonly #parts: LayerParts;
  readonly #isParallel: boolean;

  private constructor(parts: LayerParts, isParallel: boolean) {
    this.#parts = parts;
    this.#isParallel = isParallel;
  }

  /** @param rotary Rotary embedding, if the layer has one. */
  static async load(
    weights: WeightLoader,
    config: ModelConfig,
    layer: number,
    names: WeightNames,
    rotary?: Rotary,
  ): Promise<DecoderLayer> {
    const { hiddenSize, moe, norm, normPlacement, residualScale } = config;
    const prefix = names.base + names.layer.replace('{}', String(layer));
    const load = (name: string): Promise<Norm> => loadNorm(weights, prefix + name, hiddenSize, norm);
    const isBefore = normPlacement !== 'after';
    const isAfter = normPlacement === 'after' || normPlacement === 'both';
    const parts = {
      inputNorm: isBefore ? await load(names.inputNorm) : noNorm,
      attention: await Attention.load(weights, config, layer, names, prefix, rotary),
      attentionOutputNorm: isAfter ? await load(names.attentionOutputNorm) : undefined,
      mlpNorm: normPlacement === 'shared' ? undefined : isBefore ? await load(names.mlpNorm) : noNorm,
      feedForward: moe?.layers[layer]
        ? await MixtureOfExperts.load(weights, moe, config, names, prefix)
        : await Mlp.load(weights, config, names, prefix),
      mlpOutputNorm: isAfter ? await load(names.mlpOutputNorm) : undefined,
      residualScale,
    };
    return new DecoderLayer(parts, normPlacement === 'shared' || normPlacement === 'parallel');
  }

  /** `x` and `residual` are `[tokens, hidden]`. */
  forward({ x, residual }: HiddenState, step: StepContext): HiddenState {
    const { inputNorm, attention, attentionOutputNorm, mlpNorm, feedForward, mlpOutputNorm } = this.#parts;
    const before = inputNorm.forward(x, residual);
    const attended = this.#added(attention.forward(before.normed as Tensor2D, step), attentionOutputNorm);
    if (this.#isParallel) {
      const input = mlpNorm?.forward(before.sum).normed ?? before.normed;
      const fed = this.#added(feedForward.forward(input as Tensor2D), mlpOutputNorm);
      return { x: inStorage(add(attended, fed), storageOf(fed)), residual: before.sum };
    }
    const between = (mlpNorm ?? noNorm).forward(attended, before.sum);
    const fed = this.#added(feedForward.forward(between.normed as Tensor2D), mlpOutputNorm);
    return { x: fed, residual: between.sum };
  }

  /** What a part's output adds to the residual. */
  #added(output: Tensor, norm?: Norm): Tensor {
    const { residualScale } = this.#parts;
    const normed = norm?.forward(output).normed ?? output;
    return residualScale === undefined ? normed : inStorage(mul(normed, residualScale), storageOf(normed));
  }
}
