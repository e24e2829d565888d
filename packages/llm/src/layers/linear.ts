import { linear } from '@attention-js/core';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { LoadOptions, WeightLoader } from '../models/weights.ts';

/** How a {@link Linear} is stored. */
export interface LinearOptions {
  /** Names without `.weight` and `.bias`, with the rows of each; several make one projection. */
  parts: readonly { name: string; rows: number }[];
  /** If the projection is only some rows of its parts: how many, and how to find them among the bytes of all. */
  selection?: { rows: number } & Required<Pick<LoadOptions, 'select'>>;
  /** Length of the input rows. */
  columns: number;
  bias?: boolean;
}

/** `x · weightᵀ + bias`. */
export class Linear {
  readonly #weight: Tensor;
  readonly #bias?: Tensor;

  /**
   * @param weight `[outputs, inputs]`, as PyTorch stores it.
   * @param bias `[outputs]`.
   */
  constructor(weight: Tensor, bias?: Tensor) {
    this.#weight = weight;
    this.#bias = bias;
  }

  static async load(
    weights: WeightLoader,
    { parts, columns, bias = false, selection }: LinearOptions,
  ): Promise<Linear> {
    const rows = selection?.rows ?? parts.reduce((sum, part) => sum + part.rows, 0);
    const weight = await weights.load(
      [rows, columns],
      parts.map((part) => ({ name: `${part.name}.weight`, shape: [part.rows, columns] })),
      { select: selection?.select },
    );
    if (!bias) return new Linear(weight);
    const biasSources = parts.map((part) => ({ name: `${part.name}.bias`, shape: [part.rows] }));
    return new Linear(weight, await weights.load([rows], biasSources, { select: selection?.select }));
  }

  /** `[tokens, inputs]` gives `[tokens, outputs]`. */
  forward(x: Tensor2D): Tensor2D {
    return linear(x, this.#weight, this.#bias) as Tensor2D;
  }
}
