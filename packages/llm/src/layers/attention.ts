import { PagedAttention } from '@attention-js/core';
import type { InputMetadata, LayerCache } from '@attention-js/core';
import { reshape, tensor1d } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
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
  /** Keys and values of a layer, if there is a cache. */
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
    const { queryKeyNorm } = attention;
    const loadHeadNorm = async (name: string, heads: number): Promise<Norm | undefined> => {
      if (queryKeyNorm === undefined) return undefined;
      return loadNorm(weights, prefix + name, queryKeyNorm === 'all' ? heads * headSize : headSize, norm);
    };
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
      queryNorm: await loadHeadNorm(names.queryNorm, numHeads),
      keyNorm: await loadHeadNorm(names.keyNorm, numKvHeads),
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
    const { numHeads, numKvHeads, headSize, softcap, queryKeyNorm } = this.#config;
    const { projections, output, queryNorm, keyNorm, rotary, attention } = this.#parts;
    const norms = [queryNorm, keyNorm, undefined];
    const heads = [numHeads, numKvHeads, numKvHeads];
    let [query, key, value] = projections.map((projection, i) => {
      const row = projection.forward(x);
      const byHead = (rows: Tensor): Tensor => reshape(rows, [-1, heads[i], headSize]);
      if (queryKeyNorm === 'all') return byHead(norms[i]?.forward(row).normed ?? row);
      return norms[i]?.forward(byHead(row)).normed ?? byHead(row);
    });
    if (rotary) [query, key] = rotary.forward(query, key, metadata.positions as Tensor1D);
    const { keyCache, valueCache } = layerCache(this.#layer);
    const attended = attention.forward({ query, key, value, keyCache, valueCache, metadata, softcap });
    return output.forward(reshape(attended, [-1, numHeads * headSize]));
  }
}

/** The weights of queries, keys and values. */
function projectionParts(
  { queryKeyValue, joint }: WeightNames,
  prefix: string,
  { numHeads, numKvHeads, headSize }: ModelConfig['attention'],
): Pick<LinearOptions, 'parts' | 'selection'>[] {
  const rows = [numHeads, numKvHeads, numKvHeads].map((count) => count * headSize);
  if (joint === undefined) {
    return queryKeyValue.map((name, i) => ({ parts: [{ name: prefix + name, rows: rows[i] }] }));
  }
  const all = (numHeads + 2 * numKvHeads) * headSize;
  const groups = joint === 'by head' ? numKvHeads : 1;
  return rows.map((count, i) => {
    const begin = rows.slice(0, i).reduce((sum, before) => sum + before, 0);
    return {
      parts: [{ name: prefix + queryKeyValue[0], rows: all }],
      selection: { rows: count, select: (bytes) => ofEveryGroup(bytes, groups, [begin / all, count / all]) },
    };
  });
}

/** Of bytes in equal groups, the same part of each: where it begins and how long it is, as shares of a group. */
function ofEveryGroup(bytes: Uint8Array, groups: number, [begin, length]: [number, number]): Uint8Array {
  const group = bytes.length / groups;
  const part = Math.round(group * length);
  const selected = new Uint8Array(groups * part);
  for (let i = 0; i < groups; i++) {
    const from = i * group + Math.round(group * begin);
    selected.set(bytes.subarray(from, from + part), i * part);
  }
  return selected;
}
