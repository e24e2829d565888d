import { PagedAttention, storageOf } from '@attention-js/core';
import type { InputMetadata, LayerCache } from '@attention-js/core';
import { reshape, split, tensor1d } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';
import type { WeightNames } from '../models/weight_names.ts';
import type { Weights } from '../models/weights.ts';
import { alibiSlopes } from './alibi.ts';
import { Linear } from './linear.ts';
import { loadNorm } from './norm.ts';
import type { Norm } from './norm.ts';
import type { Rotary } from './rotary.ts';
import { inStorage } from './storage.ts';

/** What the layers of one step share. */
export interface Step {
  /** Sequences, positions, slots and blocks. */
  metadata: InputMetadata;
  /** Keys and values of a layer, where there is a cache. */
  layerCache: (layer: number) => Partial<LayerCache>;
}

/** The parts of an attention block. */
interface AttentionParts {
  queryKeyValue: Linear;
  output: Linear;
  queryNorm?: Norm;
  keyNorm?: Norm;
  rotary?: Rotary;
  attention: PagedAttention;
}

/** Self-attention of one layer: one projection to queries, keys and values, positions, attention, output projection. */
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
    weights: Weights,
    config: ModelConfig,
    layer: number,
    names: WeightNames,
    prefix: string,
    rotary?: Rotary,
  ): Promise<Attention> {
    const { attention, hiddenSize, norm } = config;
    const { numHeads, numKvHeads, headSize, scale, slidingWindows } = attention;
    const loadHeadNorm = (name: string): Promise<Norm> => loadNorm(weights, prefix + name, headSize, norm);
    return new Attention(attention, layer, {
      queryKeyValue: await Linear.load(weights, {
        ...queryKeyValueParts(names, prefix, attention),
        columns: hiddenSize,
        bias: attention.qkvBias,
      }),
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
  forward(x: Tensor2D, { metadata, layerCache }: Step): Tensor2D {
    const { numHeads, numKvHeads, headSize, softcap } = this.#config;
    const { queryKeyValue, output, queryNorm, keyNorm, rotary, attention } = this.#parts;
    const heads = [numHeads, numKvHeads, numKvHeads];
    const projected = queryKeyValue.forward(x);
    const widths = heads.map((count) => count * headSize);
    let [query, key, value]: Tensor[] = split(projected, widths, 1).map((part, i) =>
      inStorage(reshape(part, [-1, heads[i], headSize]), storageOf(projected)),
    );
    if (queryNorm && keyNorm) {
      query = queryNorm.forward(query).normed;
      key = keyNorm.forward(key).normed;
    }
    if (rotary) [query, key] = rotary.forward(query, key, metadata.positions as Tensor1D);
    const attended = attention.forward({
      query,
      key,
      value,
      ...layerCache(this.#layer),
      metadata,
      softcap,
    });
    return output.forward(reshape(attended, [-1, numHeads * headSize]));
  }
}

function queryKeyValueParts(
  { queryKeyValue, interleavedHeads }: WeightNames,
  prefix: string,
  { numHeads, numKvHeads, headSize }: ModelConfig['attention'],
): Pick<Parameters<typeof Linear.load>[1], 'parts' | 'arrange'> {
  const names = queryKeyValue.map((name) => prefix + name);
  if (interleavedHeads) {
    return {
      parts: [{ name: names[0], rows: 3 * numHeads * headSize }],
      arrange: (bytes) => separateHeads(bytes, numHeads),
    };
  }
  const rows = [numHeads, numKvHeads, numKvHeads].map((count) => count * headSize);
  return { parts: names.map((name, i) => ({ name, rows: rows[i] })) };
}

/** Rows of (head, query | key | value) become rows of (query | key | value, head). */
function separateHeads(bytes: Uint8Array, numHeads: number): Uint8Array {
  const separated = new Uint8Array(bytes.length);
  const length = bytes.length / (3 * numHeads);
  for (let head = 0; head < numHeads; head++) {
    for (let part = 0; part < 3; part++) {
      const begin = (3 * head + part) * length;
      separated.set(bytes.subarray(begin, begin + length), (part * numHeads + head) * length);
    }
  }
  return separated;
}
