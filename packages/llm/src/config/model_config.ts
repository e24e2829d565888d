/** Rotary position embedding. */
export interface RopeConfig {
  /** Base of the frequencies. */
  readonly theta: number;
  /** How frequencies are stretched to longer contexts. */
  readonly scaling: RopeScaling;
  /** How many elements of a head are rotated: the first ones. */
  readonly rotaryDim: number;
  /** Pairs are neighbours, not an element and the one half a head further. */
  readonly interleaved: boolean;
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
    }
  | {
      readonly type: 'yarn';
      readonly factor: number;
      /** Rotations in `originalMaxPositions` above which a frequency is kept, and below which it is stretched. */
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly originalMaxPositions: number;
      /** Whether the borders are rounded to whole pairs. */
      readonly truncate: boolean;
      /** Multiplies cosines and sines. */
      readonly attentionFactor: number;
    }
  /** Served up to `originalMaxPositions`, where it scales nothing. */
  | { readonly type: 'dynamic'; readonly originalMaxPositions: number }
  /** Served up to `originalMaxPositions`, with the short factors. */
  | {
      readonly type: 'longrope';
      /** Divides the frequency of each pair. */
      readonly shortFactors: readonly number[];
      readonly originalMaxPositions: number;
      readonly attentionFactor: number;
    };

/** Normalisation layers. */
export interface NormConfig {
  /** `rms` has a weight; `layer` subtracts the mean and has weight and bias. */
  readonly kind: 'rms' | 'layer';
  readonly epsilon: number;
  /** The stored weight is the scale minus one (Gemma, Nemotron). */
  readonly unitOffset: boolean;
  /** A `layer` norm has a bias. */
  readonly bias: boolean;
}

/**
 * Where a layer's norms are: `before` attention and feed-forward part; `after` them, before their outputs are added to the
 * residual (OLMo 2); `both` (Gemma 2); or before both parts, which then work side by side on one input: normalised by one
 * norm (`shared`, Cohere) or by a norm for each (`parallel`, GPT-NeoX).
 */
export type NormPlacement = 'before' | 'after' | 'both' | 'shared' | 'parallel';

/** Self-attention, the same in every layer except for its window. */
export interface AttentionConfig {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headSize: number;
  /** Multiplies query · key. */
  readonly scale: number;
  /** Cap of the attention scores, if the model has one. */
  readonly softcap?: number;
  /** One per layer: how many of the newest keys it attends to, or `undefined` for all. */
  readonly slidingWindows: readonly (number | undefined)[];
  /** Positions enter as ALiBi slopes instead of rotary embeddings. */
  readonly alibi: boolean;
  /** Queries and keys are normalised before the rotary embedding: each head (Qwen 3), or all heads as one (OLMo 2). */
  readonly queryKeyNorm?: 'head' | 'all';
  /** The projections to queries, keys and values have biases. */
  readonly qkvBias: boolean;
  /** The output projection has a bias. */
  readonly outputBias: boolean;
}

/** What a gate goes through. */
export type GatedActivation = 'silu' | 'gelu' | 'gelu_tanh';

/** The feed-forward part of layers that are not mixtures of experts. */
export interface MlpConfig {
  readonly activation: GatedActivation | 'relu2';
  /** `activation(gate) * up` instead of `activation(up)`. */
  readonly gated: boolean;
  readonly intermediateSize: number;
  readonly bias: boolean;
}

/** Mixtures of experts; each expert is a gated MLP. */
export interface MoeConfig {
  readonly numExperts: number;
  readonly numExpertsPerToken: number;
  readonly activation: GatedActivation;
  readonly intermediateSize: number;
  /** The weights of a token's experts are scaled to sum to one. */
  readonly renormalize: boolean;
  /** One per layer: whether it is a mixture of experts. */
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
  /** Tokens that end a text; empty if config.json names none. */
  readonly eosTokenIds: readonly number[];
  /** The output projection is the embedding matrix. */
  readonly tieWordEmbeddings: boolean;
  /** Multiplies the embeddings, if the model has it (Gemma, Granite). */
  readonly embeddingScale?: number;
  /** Multiplies what attention and feed-forward part add to the residual, if the model has it (Granite). */
  readonly residualScale?: number;
  /** Multiplies the logits, if the model has it (Cohere, Granite). */
  readonly logitScale?: number;
  /** The embeddings are normalised before the first layer (BLOOM). */
  readonly embeddingNorm: boolean;
  readonly normPlacement: NormPlacement;
  readonly norm: NormConfig;
  readonly attention: AttentionConfig;
  /** One per layer; `undefined` if positions enter otherwise, or not at all. */
  readonly ropes: readonly (RopeConfig | undefined)[];
  readonly mlp: MlpConfig;
  readonly moe?: MoeConfig;
  /** The output projection has a bias (Phi-2). */
  readonly headBias: boolean;
  /** Cap of the logits, if the model has one. */
  readonly logitSoftcap?: number;
}
