import type { MlpConfig, NormConfig, RopeConfig } from './model_config.ts';
import type { RawConfig } from './raw_config.ts';
import { parseRope } from './rope_config.ts';

/**
 * What a family's decoders have of their own. Each is read from config.json, so that a family is a row of
 * {@link families} and no code: the same parts build all of them.
 */
export interface Family {
  /** What transformers takes for keys that config.json lacks. How wide and deep a model is has no default. */
  defaults: Readonly<Record<string, unknown>>;
  /** Throws for an option that is not served. */
  check?: (raw: RawConfig) => void;
  embeddingScale?: (raw: RawConfig) => number;
  embeddingNorm: boolean;
  outputNorms: boolean;
  norm: Pick<NormConfig, 'kind' | 'unitOffset'>;
  rope?: (raw: RawConfig) => RopeConfig;
  alibi: boolean;
  /** What query · key is divided by the square root of. */
  scaleDivisor: (raw: RawConfig, headSize: number) => number;
  attentionSoftcap?: (raw: RawConfig) => number | undefined;
  logitSoftcap?: (raw: RawConfig) => number | undefined;
  slidingWindow: (raw: RawConfig) => number | undefined;
  /** Whether a layer has the window, where config.json does not list the layers' types. */
  isWindowed: (layer: number, raw: RawConfig) => boolean;
  queryKeyNorm: boolean;
  qkvBias: (raw: RawConfig) => boolean;
  outputBias: (raw: RawConfig) => boolean;
  mlp: Pick<MlpConfig, 'gated'> & {
    activation: (raw: RawConfig) => MlpConfig['activation'];
    bias: (raw: RawConfig) => boolean;
    intermediateSize: (raw: RawConfig, hiddenSize: number) => number;
  };
  moe?: {
    intermediateSize: (raw: RawConfig) => number;
    renormalize: (raw: RawConfig) => boolean;
    isSparse: (layer: number, raw: RawConfig) => boolean;
  };
}

const never = (): boolean => false;
const always = (): boolean => true;
const attentionBias = (raw: RawConfig): boolean => raw.boolean('attention_bias', false);
const intermediateSize = (raw: RawConfig): number => raw.integer('intermediate_size');
const slidingWindow = (raw: RawConfig): number | undefined => raw.numberOrNone('sliding_window');
const optionalWindow = (raw: RawConfig): number | undefined =>
  raw.boolean('use_sliding_window', false) ? slidingWindow(raw) : undefined;

const activations: Readonly<Record<string, MlpConfig['activation']>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
};

function readActivation(raw: RawConfig, key: string): MlpConfig['activation'] {
  const name = raw.string(key);
  if (!Object.hasOwn(activations, name)) {
    throw raw.unsupported(key, `one of ${Object.keys(activations).join(', ')}`);
  }
  return activations[name];
}

const llama: Family = {
  defaults: {
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    max_position_embeddings: 2048,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: false,
  },
  embeddingNorm: false,
  outputNorms: false,
  norm: { kind: 'rms', unitOffset: false },
  rope: parseRope,
  alibi: false,
  scaleDivisor: (_raw, headSize) => headSize,
  slidingWindow: () => undefined,
  isWindowed: always,
  queryKeyNorm: false,
  qkvBias: attentionBias,
  outputBias: attentionBias,
  mlp: {
    gated: true,
    activation: (raw) => readActivation(raw, 'hidden_act'),
    bias: (raw) => raw.boolean('mlp_bias', false),
    intermediateSize,
  },
};

const mistral: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 8,
    max_position_embeddings: 131_072,
    sliding_window: 4096,
  },
  qkvBias: never,
  outputBias: never,
  slidingWindow,
};

const qwen2: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 32,
    max_position_embeddings: 32_768,
    sliding_window: 4096,
    bos_token_id: null,
    eos_token_id: null,
  },
  qkvBias: always,
  outputBias: never,
  slidingWindow: optionalWindow,
  isWindowed: (layer, raw) => layer >= raw.integer('max_window_layers', 28),
};

const qwen3: Family = {
  ...qwen2,
  defaults: { ...qwen2.defaults, head_dim: 128 },
  qkvBias: attentionBias,
  outputBias: attentionBias,
  queryKeyNorm: true,
};

const qwen3Moe: Family = {
  ...qwen3,
  defaults: { ...qwen2.defaults, num_key_value_heads: 4 },
  isWindowed: always,
  moe: {
    intermediateSize: (raw) => raw.integer('moe_intermediate_size'),
    renormalize: (raw) => raw.boolean('norm_topk_prob', false),
    isSparse: (layer, raw) =>
      !raw.integers('mlp_only_layers', []).includes(layer) &&
      (layer + 1) % raw.integer('decoder_sparse_step', 1) === 0,
  },
};

const mixtral: Family = {
  ...mistral,
  defaults: { ...mistral.defaults, rms_norm_eps: 1e-5, rope_theta: 1_000_000, sliding_window: null },
  moe: { intermediateSize, renormalize: always, isSparse: always },
};

const gemma2: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_activation: 'gelu_pytorch_tanh',
    num_key_value_heads: 4,
    head_dim: 256,
    query_pre_attn_scalar: 256,
    attn_logit_softcapping: 50,
    final_logit_softcapping: 30,
    sliding_window: 4096,
    max_position_embeddings: 8192,
    bos_token_id: 2,
    eos_token_id: 1,
    tie_word_embeddings: true,
  },
  check(raw) {
    if (raw.boolean('use_bidirectional_attention', false)) {
      throw raw.unsupported('use_bidirectional_attention', 'false');
    }
  },
  embeddingScale: (raw) => Math.sqrt(raw.integer('hidden_size')),
  outputNorms: true,
  norm: { kind: 'rms', unitOffset: true },
  scaleDivisor: (raw) => raw.number('query_pre_attn_scalar'),
  attentionSoftcap: (raw) => raw.numberOrNone('attn_logit_softcapping'),
  logitSoftcap: (raw) => raw.numberOrNone('final_logit_softcapping'),
  slidingWindow,
  isWindowed: (layer) => layer % 2 === 0,
  mlp: { ...llama.mlp, activation: (raw) => readActivation(raw, 'hidden_activation'), bias: never },
};

const bloom: Family = {
  ...llama,
  defaults: {
    layer_norm_epsilon: 1e-5,
    seq_length: 2048, // ALiBi has no longest sequence: this is what BLOOM was trained with
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: true,
  },
  check(raw) {
    const key = 'apply_residual_connection_post_layernorm';
    if (raw.boolean(key, false)) throw raw.unsupported(key, 'false');
  },
  embeddingNorm: true,
  norm: { kind: 'layer', unitOffset: false },
  rope: undefined,
  alibi: true,
  qkvBias: always,
  outputBias: always,
  mlp: {
    gated: false,
    activation: () => 'gelu_tanh',
    bias: always,
    intermediateSize: (_raw, hiddenSize) => 4 * hiddenSize,
  },
};

/** The families that can be loaded, by the `model_type` of their config.json. */
export const families: Readonly<Record<string, Family>> = {
  llama,
  mistral,
  qwen2,
  qwen3,
  qwen3_moe: qwen3Moe,
  mixtral,
  gemma2,
  bloom,
};
