import { AttentionError, castStorage, Checks } from '@attention-js/core';
import { dispose, div, gather, mul, scalar, tanh, tidy } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import type { ModelConfig, RopeConfig } from '../config/model_config.ts';
import type { StepContext } from '../layers/attention.ts';
import { DecoderLayer } from '../layers/decoder_layer.ts';
import type { HiddenState } from '../layers/decoder_layer.ts';
import { Linear } from '../layers/linear.ts';
import { loadNorm } from '../layers/norm.ts';
import type { Norm } from '../layers/norm.ts';
import { Rotary } from '../layers/rotary.ts';
import { inStorage } from '../layers/storage.ts';
import type { CacheShape, CausalLM, ModelInput } from './causal_lm.ts';
import type { WeightNames } from './weight_names.ts';
import type { WeightLoader } from './weights.ts';

/** The parts of a decoder that are not in its layers. */
interface DecoderParts {
  /** `[vocabSize, hidden]`. */
  embedding: Tensor;
  /** A scalar in the model's storage type. */
  embeddingScale?: Tensor;
  embeddingNorm?: Norm;
  layers: readonly DecoderLayer[];
  finalNorm: Norm;
  head: Linear;
}

const checks = new Checks('forward');

/** A decoder of any family. */
export class Decoder implements CausalLM {
  readonly config: ModelConfig;
  readonly cacheShape: CacheShape;
  readonly #weights: WeightLoader;
  readonly #parts: DecoderParts;
  #disposed = false;

  private constructor(config: ModelConfig, weights: WeightLoader, parts: DecoderParts) {
    const { numKvHeads, headSize } = config.attention;
    this.config = config;
    this.cacheShape = { numLayers: config.numLayers, numKvHeads, headSize, storage: weights.storage };
    this.#weights = weights;
    this.#parts = parts;
  }

  /** Loads the tensors of a decoder. */
  static async load(weights: WeightLoader, config: ModelConfig, names: WeightNames): Promise<Decoder> {
    const { embeddingScale, hiddenSize, norm, vocabSize } = config;
    const shape = [vocabSize, hiddenSize];
    const { embeddingName, isTied } = await findEmbedding(weights, config, names);
    const embedding = await weights.load(shape, [{ name: embeddingName, shape }]);
    const rotaries = await loadRotaries(weights, config);
    const layers: DecoderLayer[] = [];
    for (const [layer, rope] of config.ropes.entries()) {
      const rotary = rope && rotaries.get(rope);
      layers.push(await DecoderLayer.load(weights, config, layer, names, rotary));
    }
    const load = (name: string): Promise<Norm> => loadNorm(weights, names.base + name, hiddenSize, norm);
    return new Decoder(config, weights, {
      embedding,
      embeddingScale: embeddingScale ? keepScalar(weights, embeddingScale) : undefined,
      embeddingNorm: config.embeddingNorm ? await load(names.embeddingNorm) : undefined,
      layers,
      finalNorm: await load(names.finalNorm),
      head: isTied
        ? new Linear(embedding)
        : await Linear.load(weights, {
            parts: [{ name: names.head, rows: vocabSize }],
            columns: hiddenSize,
            bias: config.headBias,
          }),
    });
  }

  forward({ tokenIds, metadata, cache, logitRows }: ModelInput): Tensor2D {
    if (this.#disposed) {
      throw new AttentionError(
        'ERR_DISPOSED',
        '[forward] model: expected a live model, received a disposed one',
      );
    }
    checks.shape('tokenIds', tokenIds, ['tokens']);
    checks.dtype('tokenIds', tokenIds, 'int32');
    if (this.config.ropes.some((rope) => rope !== undefined)) {
      const { positions } = metadata;
      checks.expect(positions !== undefined, 'ERR_DTYPE', 'metadata.positions', 'a Tensor', positions);
    }
    const step: StepContext = { metadata, layerCache: (layer) => cache?.layer(layer) ?? {} };
    return tidy(() => {
      let state = this.#embed(tokenIds);
      for (const layer of this.#parts.layers) {
        // A tidy of its own: a layer's tensors are gone before the next one makes its own.
        const next = tidy(() => ({ ...layer.forward(state, step) }));
        const kept = Object.values(next);
        dispose(Object.values(state).filter((tensor: Tensor) => !kept.includes(tensor)));
        state = next;
      }
      return this.#logits(state, logitRows);
    });
  }

  dispose(): void {
    this.#disposed = true;
    this.#weights.dispose();
  }

  #embed(tokenIds: Tensor): HiddenState {
    const { embedding, embeddingScale, embeddingNorm } = this.#parts;
    const { storage } = this.#weights;
    return tidy(() => {
      const rows = inStorage(gather(embedding, tokenIds), storage);
      const scaled = embeddingScale ? inStorage(mul(rows, embeddingScale), storage) : rows;
      return { x: embeddingNorm?.forward(scaled).normed ?? scaled };
    });
  }

  #logits({ x, residual }: HiddenState, logitRows?: Tensor): Tensor2D {
    const { finalNorm, head } = this.#parts;
    const { logitScale, logitSoftcap: cap } = this.config;
    const { normed } = finalNorm.forward(x, residual);
    const rows = logitRows ? inStorage(gather(normed, logitRows), this.#weights.storage) : normed;
    const products = inStorage(head.forward(rows as Tensor2D), 'float32');
    const logits = logitScale === undefined ? products : mul<Tensor2D>(products, logitScale);
    return cap ? mul(tanh(div(logits, cap)), cap) : logits;
  }
}

/** A table for each rotary embedding that the layers have. */
async function loadRotaries(
  weights: WeightLoader,
  { ropes, maxPositions }: ModelConfig,
): Promise<Map<RopeConfig, Rotary>> {
  const rotaries = new Map<RopeConfig, Rotary>();
  for (const rope of ropes) {
    if (rope && !rotaries.has(rope)) rotaries.set(rope, await Rotary.load(weights, rope, maxPositions));
  }
  return rotaries;
}

/**
 * Where the embeddings are, and whether the head is made of them too. Tied weights may be stored under either name; if
 * both are there and differ, they are not tied, whatever config.json says.
 *
 * @see transformers: `tie_weights`, whose rules these are.
 */
async function findEmbedding(
  weights: WeightLoader,
  { tieWordEmbeddings }: ModelConfig,
  names: WeightNames,
): Promise<{ embeddingName: string; isTied: boolean }> {
  const embeddingName = `${names.base}${names.embedding}.weight`;
  const headName = `${names.head}.weight`;
  if (!tieWordEmbeddings || !weights.has(headName)) return { embeddingName, isTied: tieWordEmbeddings };
  if (!weights.has(embeddingName)) return { embeddingName: headName, isTied: true };
  return { embeddingName, isTied: await weights.areEqual(embeddingName, headName) };
}

/** A scalar that is rounded as the embeddings are, as Gemma was trained with. */
function keepScalar(weights: WeightLoader, value: number): Tensor {
  return weights.keep(tidy(() => castStorage(scalar(value), weights.storage)));
}
