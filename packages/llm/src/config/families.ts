import type { MlpConfig, NormConfig, RopeConfig } from './model_config.ts';
import type { RawConfig } from './raw_config.ts';
import { parseRope } from './rope_config.ts';

/**
 * What a family's decoders have of their own. Each is read from config.json, so that a family is a row of
 * {@link families} and no code: the same parts build all of them.
 */
export interface Family {
  /** Throws for an option that is not served. */
  check?: (raw: RawConfig) => void;
  tieWordEmbeddings: boolean;
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
    activation: string;
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
const optionalWindow = (raw: RawConfig): number | undefined =>
  raw.boolean('use_sliding_window', false) ? raw.numberOrNone('sliding_window') : undefined;

const llama: Family = {
  tieWordEmbeddings: false,
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
    activation: 'silu',
    bias: (raw) => raw.boolean('mlp_bias', false),
    intermediateSize,
  },
};

const mistral: Family = {
  ...llama,
  qkvBias: never,
  outputBias: never,
  slidingWindow: (raw) => raw.numberOrNone('sliding_window', 4096),
};

const qwen2: Family = {
  ...llama,
  qkvBias: always,
  outputBias: never,
  slidingWindow: optionalWindow,
  isWindowed: (layer, raw) => layer >= raw.integer('max_window_layers', 28),
};

const qwen3: Family = { ...qwen2, qkvBias: attentionBias, outputBias: attentionBias, queryKeyNorm: true };

const qwen3Moe: Family = {
  ...qwen3,
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
  slidingWindow: (raw) => raw.numberOrNone('sliding_window'),
  moe: { intermediateSize, renormalize: always, isSparse: always },
};

const gemma2: Family = {
  ...llama,
  check(raw) {
    if (raw.boolean('use_bidirectional_attention', false)) {
      throw raw.unsupported('use_bidirectional_attention', 'false');
    }
  },
  tieWordEmbeddings: true,
  embeddingScale: (raw) => Math.sqrt(raw.integer('hidden_size')),
  outputNorms: true,
  norm: { kind: 'rms', unitOffset: true },
  scaleDivisor: (raw) => raw.number('query_pre_attn_scalar'),
  attentionSoftcap: (raw) => raw.numberOrNone('attn_logit_softcapping', 50),
  logitSoftcap: (raw) => raw.numberOrNone('final_logit_softcapping', 30),
  slidingWindow: (raw) => raw.numberOrNone('sliding_window', 4096),
  isWindowed: (layer) => layer % 2 === 0,
  mlp: { ...llama.mlp, activation: 'gelu_pytorch_tanh', bias: never },
};

const bloom: Family = {
  ...llama,
  check(raw) {
    const key = 'apply_residual_connection_post_layernorm';
    if (raw.boolean(key, false)) throw raw.unsupported(key, 'false');
  },
  tieWordEmbeddings: true,
  embeddingNorm: true,
  norm: { kind: 'layer', unitOffset: false },
  rope: undefined,
  alibi: true,
  qkvBias: always,
  outputBias: always,
  mlp: {
    gated: false,
    activation: 'gelu_pytorch_tanh',
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
