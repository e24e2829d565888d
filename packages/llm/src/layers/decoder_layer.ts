import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { WeightLoader } from '../models/weights.ts';
import { Attention } from './attention.ts';
import type { StepContext } from './attention.ts';
import { Mlp } from './mlp.ts';
import type { FeedForward } from './mlp.ts';
import { MixtureOfExperts } from './moe.ts';
import { loadNorm } from './norm.ts';
import type { Norm } from './norm.ts';
import type { Rotary } from './rotary.ts';

/**
 * What one layer hands to the next: its output, and the residual that the next norm adds to it, so that adding and
 * normalising are one op.
 */
export interface HiddenState {
  x: Tensor;
  residual?: Tensor;
}

/** A layer's norms, in the order in which they are applied; those of outputs are Gemma 2's. */
interface LayerNorms {
  input: Norm;
  attentionOutput?: Norm;
  mlp: Norm;
  mlpOutput?: Norm;
}

/** Attention and feed-forward part, each with a norm before it. */
export class DecoderLayer {
  readonly #norms: LayerNorms;
  readonly #attention: Attention;
  readonly #feedForward: FeedForward;

  private constructor(norms: LayerNorms, attention: Attention, feedForward: FeedForward) {
    this.#norms = norms;
    this.#attention = attention;
    this.#feedForward = feedForward;
  }

  /**
   * @param base What the decoder's names begin with.
   * @param rotary Rotary embedding, where the model has it.
   */
  static async load(
    weights: WeightLoader,
    config: ModelConfig,
    layer: number,
    names: WeightNames,
    base: string,
    rotary?: Rotary,
  ): Promise<DecoderLayer> {
    const { hiddenSize, moe, norm, outputNorms } = config;
    const prefix = base + names.layer.replace('{}', String(layer));
    const load = (name: string): Promise<Norm> => loadNorm(weights, prefix + name, hiddenSize, norm);
    const norms = {
      input: await load(names.inputNorm),
      attentionOutput: outputNorms ? await load(names.attentionOutputNorm) : undefined,
      mlp: await load(names.mlpNorm),
      mlpOutput: outputNorms ? await load(names.mlpOutputNorm) : undefined,
    };
    const attention = await Attention.load(weights, config, layer, names, prefix, rotary);
    const feedForward = moe?.layers[layer]
      ? await MixtureOfExperts.load(weights, moe, config, names, prefix)
      : await Mlp.load(weights, config, names, prefix);
    return new DecoderLayer(norms, attention, feedForward);
  }

  /** `x` and `residual` are `[tokens, hidden]`. */
  forward({ x, residual }: HiddenState, step: StepContext): HiddenState {
    const { input, attentionOutput, mlp, mlpOutput } = this.#norms;
    const before = input.forward(x, residual);
    const attended = this.#attention.forward(before.normed as Tensor2D, step);
    const between = mlp.forward(attentionOutput?.forward(attended).normed ?? attended, before.sum);
    const fed = this.#feedForward.forward(between.normed as Tensor2D);
    return { x: mlpOutput?.forward(fed).normed ?? fed, residual: between.sum };
  }
}
