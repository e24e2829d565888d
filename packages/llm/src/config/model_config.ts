/** Rotary position embedding. */
export interface RopeConfig {
  /** Base of the frequencies. */
  readonly theta: number;
  /** How frequencies are stretched to longer contexts. */
  readonly scaling: RopeScaling;
}

/** Scaling of rotary frequencies, named as in config.json. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3';
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    };

/** Normalisation layers. */
export interface NormConfig {
  /** `rms` has a weight; `layer` subtracts the mean and has weight and bias. */
  readonly kind: 'rms' | 'layer';
  readonly epsilon: number;
  /** The stored weight is the scale minus one (Gemma). */
  readonly unitOffset: boolean;
}

/** Self-attention, the same in every layer but for its window. */
export interface AttentionConfig {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headSize: number;
  /** Multiplies query · key. */
  readonly scale: number;
  /** Cap of the attention scores, where the model has one. */
  readonly softcap?: number;
  /** One a layer: how many of the newest keys it attends to, or `undefined` for all. */
  readonly slidingWindows: readonly (number | undefined)[];
  /** Positions enter as ALiBi slopes instead of rotary embeddings. */
  readonly alibi: boolean;
  /** Query and key heads are normalised before the rotary embedding (Qwen 3). */
  readonly queryKeyNorm: boolean;
  /** The projections to queries, keys and values have biases. */
  readonly qkvBias: boolean;
  /** The output projection has a bias. */
  readonly outputBias: boolean;
}

/** The feed-forward part of layers that are not mixtures of experts. */
export interface MlpConfig {
  readonly activation: 'silu' | 'gelu' | 'gelu_tanh';
  /** `activation(gate) * up` instead of `activation(up)`. */
  readonly gated: boolean;
  readonly intermediateSize: number;
  readonly bias: boolean;
}

/** Mixtures of experts; each expert is a gated MLP with the activation of {@link MlpConfig}. */
export interface MoeConfig {
  readonly numExperts: number;
  readonly numExpertsPerToken: number;
  readonly intermediateSize: number;
  /** The weights of a token's experts are scaled to sum to one. */
  readonly renormalize: boolean;
  /** One a layer: whether it is a mixture of experts. */
  readonly layers: readonly boolean[];
}

/** A decoder, described so that one set of parts builds every family. Made from a Hugging Face `config.json`. */
export interface ModelConfig {
  /** `model_type` of config.json, e.g. `llama`. */
  readonly family: string;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  /** Longest sequence the model can hold, in tokens. */
  readonly maxPositions: number;
  readonly bosTokenId?: number;
  /** Tokens that end a text; empty where config.json names none. */
  readonly eosTokenIds: readonly number[];
  /** The output projection is the embedding matrix. */
  readonly tieWordEmbeddings: boolean;
  /** Multiplies the embeddings, where the model has it (Gemma). */
  readonly embeddingScale?: number;
  /** The embeddings are normalised before the first layer (BLOOM). */
  readonly embeddingNorm: boolean;
  /** Attention and feed-forward outputs are normalised before they are added to the residual (Gemma 2). */
  readonly outputNorms: boolean;
  readonly norm: NormConfig;
  readonly attention: AttentionConfig;
  /** Absent where positions enter otherwise. */
  readonly rope?: RopeConfig;
  readonly mlp: MlpConfig;
  readonly moe?: MoeConfig;
  /** Cap of the logits, where the model has one. */
  readonly logitSoftcap?: number;
}
