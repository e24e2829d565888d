import { PagedAttention } from '@attention-js/core';
import type { InputMetadata, LayerCache } from '@attention-js/core';
import { reshape, tensor1d } from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { WeightLoader } from '../models/weights.ts';
import { alibiSlopes } from './alibi.ts';
import { Linear } from './linear.ts';
import type { LinearOptions } from './linear.ts';
import { loadNorm } from './norm.ts';
import type { Norm } from './norm.ts';
import type { Rotary } from './rotary.ts';

/** What the layers of one step share. */
export interface StepContext {
  /** Sequences, positions, slots and blocks. */
  metadata: InputMetadata;
  /** Keys and values of a layer, where there is a cache. */
  layerCache: (layer: number) => Partial<LayerCache>;
}

/** The parts of an attention block. */
interface AttentionParts {
  /** To queries, keys and values. Apart, since tfjs would have to copy each out of the rows of a joint product. */
  projections: readonly Linear[];
  output: Linear;
  queryNorm?: Norm;
  keyNorm?: Norm;
  rotary?: Rotary;
  attention: PagedAttention;
}

/** Self-attention of one layer: projections to queries, keys and values, positions, attention, output projection. */
export class Attention {
  readonly #config: ModelConfig['attention'];
  readonly #layer: number;
  readonly #parts: AttentionParts;

  private constructor(config: ModelConfig['attention'], layer: number, parts: AttentionParts) {
    this.#config = config;
    this.#layer = layer;
    this.#parts = parts;
  }

  /** @param prefix What the layer's names begin with. */
  static async load(
    weights: WeightLoader,
    config: ModelConfig,
    layer: number,
    names: WeightNames,
    prefix: string,
    rotary?: Rotary,
  ): Promise<Attention> {
    const { attention, hiddenSize, norm } = config;
    const { numHeads, numKvHeads, headSize, scale, slidingWindows } = attention;
    const loadHeadNorm = (name: string): Promise<Norm> => loadNorm(weights, prefix + name, headSize, norm);
    const projections: Linear[] = [];
    for (const part of projectionParts(names, prefix, attention)) {
      projections.push(await Linear.load(weights, { ...part, columns: hiddenSize, bias: attention.qkvBias }));
    }
    return new Attention(attention, layer, {
      projections,
      output: await Linear.load(weights, {
        parts: [{ name: prefix + names.attentionOutput, rows: hiddenSize }],
        columns: numHeads * headSize,
        bias: attention.outputBias,
      }),
      queryNorm: attention.queryKeyNorm ? await loadHeadNorm(names.queryNorm) : undefined,
      keyNorm: attention.queryKeyNorm ? await loadHeadNorm(names.keyNorm) : undefined,
      rotary,
      attention: new PagedAttention({
        numHeads,
        numKvHeads,
        headSize,
        scale,
        slidingWindow: slidingWindows[layer],
        alibiSlopes: attention.alibi ? weights.keep(tensor1d(alibiSlopes(numHeads))) : undefined,
      }),
    });
  }

  /** `[tokens, hidden]` in and out. */
  forward(x: Tensor2D, { metadata, layerCache }: StepContext): Tensor2D {
    const { numHeads, numKvHeads, headSize, softcap } = this.#config;
    const { projections, output, queryNorm, keyNorm, rotary, attention } = this.#parts;
    const heads = [numHeads, numKvHeads, numKvHeads];
    let [query, key, value] = projections.map((projection, i) =>
      reshape(projection.forward(x), [-1, heads[i], headSize]),
    );
    if (queryNorm && keyNorm) {
      query = queryNorm.forward(query).normed;
      key = keyNorm.forward(key).normed;
    }
    if (rotary) [query, key] = rotary.forward(query, key, metadata.positions as Tensor1D);
    const { keyCache, valueCache } = layerCache(this.#layer);
    const attended = attention.forward({ query, key, value, keyCache, valueCache, metadata, softcap });
    return output.forward(reshape(attended, [-1, numHeads * headSize]));
  }
}

/** The weights of queries, keys and values. */
function projectionParts(
  { queryKeyValue, interleavedHeads }: WeightNames,
  prefix: string,
  { numHeads, numKvHeads, headSize }: ModelConfig['attention'],
): Pick<LinearOptions, 'parts' | 'selection'>[] {
  const rows = [numHeads, numKvHeads, numKvHeads].map((count) => count * headSize);
  if (!interleavedHeads) {
    return queryKeyValue.map((name, i) => ({ parts: [{ name: prefix + name, rows: rows[i] }] }));
  }
  const [name] = queryKeyValue;
  return rows.map((count, i) => ({
    parts: [{ name: prefix + name, rows: 3 * count }],
    selection: { rows: count, select: (bytes) => ofEveryHead(bytes, i, numHeads) },
  }));
}

/** Of rows of (head, query | key | value), those of one of the three. */
function ofEveryHead(bytes: Uint8Array, which: number, numHeads: number): Uint8Array {
  const length = bytes.length / (3 * numHeads);
  const selected = new Uint8Array(numHeads * length);
  for (let head = 0; head < numHeads; head++) {
    const begin = (3 * head + which) * length;
    selected.set(bytes.subarray(begin, begin + length), head * length);
  }
  return selected;
}
