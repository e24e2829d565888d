import type { Family, RopeParser } from './family.ts';
import type { MlpConfig } from './model_config.ts';
import type { RawConfig } from './raw_config.ts';
import { parseRope } from './rope_config.ts';

const never = (): boolean => false;
const always = (): boolean => true;
const attentionBias = (raw: RawConfig): boolean => raw.boolean('attention_bias', false);
const withBiases = (raw: RawConfig): boolean => raw.boolean('use_bias', true);
const intermediateSize = (raw: RawConfig): number => raw.integer('intermediate_size');
const slidingWindow = (raw: RawConfig): number | undefined => raw.numberOrNone('sliding_window');
const optionalWindow = (raw: RawConfig): number | undefined =>
  raw.boolean('use_sliding_window', false) ? slidingWindow(raw) : undefined;

const partialRope: RopeParser = (raw, options) => parseRope(raw, { ...options, isPartial: true });
const interleavedRope: RopeParser = (raw, options) => parseRope(raw, { ...options, interleaved: true });
/** Of windowed layers: a scaling is for those that see the whole context, unless it is given for each layer type. */
const unscaledRope: RopeParser = (raw, options) => {
  const isNested = raw.object('rope_parameters')?.object(options.layerType) !== undefined;
  return parseRope(raw.with({ rope_scaling: null, ...(isNested ? {} : { rope_parameters: null }) }), options);
};
const activations: Readonly<Record<string, MlpConfig['activation']>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu2: 'relu2',
};

function readActivation(raw: RawConfig, key: string): MlpConfig['activation'] {
  const name = raw.string(key);
  if (!Object.hasOwn(activations, name)) {
    throw raw.unsupported(key, `one of ${Object.keys(activations).join(', ')}`);
  }
  return activations[name];
}

function causalOnly(raw: RawConfig): void {
  if (raw.boolean('use_bidirectional_attention', false)) {
    throw raw.unsupported('use_bidirectional_attention', 'false');
  }
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
  normPlacement: () => 'before',
  norm: { kind: 'rms', unitOffset: false, bias: false },
  epsilonKey: 'rms_norm_eps',
  rope: parseRope,
  isRotated: always,
  alibi: false,
  scale: (_raw, headSize) => headSize ** -0.5,
  slidingWindow: () => undefined,
  isWindowed: always,
  qkvBias: attentionBias,
  outputBias: attentionBias,
  headBias: false,
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

/** The window is in some layers only, which config.json lists. */
const ministral: Family = { ...mistral, isWindowed: always };

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

/** The text part of Qwen 2 VL and Qwen 2.5 VL. */
const qwen2VlText: Family = {
  ...qwen2,
  defaults: { ...qwen2.defaults, num_key_value_heads: 8, rms_norm_eps: 1e-5, rope_theta: 1_000_000 },
};

const qwen3: Family = {
  ...qwen2,
  defaults: { ...qwen2.defaults, head_dim: 128 },
  qkvBias: attentionBias,
  outputBias: attentionBias,
  queryKeyNorm: 'head',
};

const qwen3VlText: Family = {
  ...qwen3,
  defaults: { ...qwen3.defaults, rope_theta: 500_000, max_position_embeddings: 128_000 },
  slidingWindow: () => undefined,
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

const gemma: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_act: 'gelu_pytorch_tanh',
    num_key_value_heads: 16,
    head_dim: 256,
    max_position_embeddings: 8192,
    bos_token_id: 2,
    eos_token_id: 1,
    tie_word_embeddings: true,
  },
  check: causalOnly,
  embeddingScale: (raw) => Math.sqrt(raw.integer('hidden_size')),
  norm: { kind: 'rms', unitOffset: true, bias: false },
  mlp: { ...llama.mlp, bias: never },
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
  check: causalOnly,
  embeddingScale: (raw) => Math.sqrt(raw.integer('hidden_size')),
  normPlacement: () => 'both',
  norm: { kind: 'rms', unitOffset: true, bias: false },
  scale: (raw) => raw.number('query_pre_attn_scalar') ** -0.5,
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
  norm: { kind: 'layer', unitOffset: false, bias: true },
  epsilonKey: 'layer_norm_epsilon',
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

const gemma3: Family = {
  ...gemma2,
  defaults: {
    ...gemma2.defaults,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
    max_position_embeddings: 131_072,
    rope_theta: 1_000_000,
    rope_local_base_freq: 10_000,
    sliding_window_pattern: 6,
  },
  /** Windowed layers have a base of their own. */
  rope: (raw, options) =>
    options.layerType === 'sliding_attention'
      ? unscaledRope(raw.with({ rope_theta: raw.number('rope_local_base_freq') }), options)
      : parseRope(raw, options),
  queryKeyNorm: 'head',
  isWindowed: (layer, raw) => (layer + 1) % raw.integer('sliding_window_pattern') !== 0,
};

const phi3: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 4096,
    original_max_position_embeddings: 4096,
    eos_token_id: 32_000,
  },
  rope: partialRope,
  qkvBias: never,
  outputBias: never,
  slidingWindow,
  mlp: { ...llama.mlp, bias: never },
};

/** `no_rope_layers` has a 1 for layers with the rotary embedding; without the list, every nth has none. */
function isRotatedInSmollm3(layer: number, raw: RawConfig): boolean {
  const listed = raw.integers('no_rope_layers', []);
  return listed.length > 0 ? listed[layer] !== 0 : (layer + 1) % raw.integer('no_rope_layer_interval') !== 0;
}

const smollm3: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 4,
    rope_theta: 2_000_000,
    max_position_embeddings: 32_768,
    bos_token_id: 128_000,
    eos_token_id: 128_001,
    no_rope_layer_interval: 4,
    tie_word_embeddings: true,
  },
  isRotated: (layer, _type, raw) => isRotatedInSmollm3(layer, raw),
  slidingWindow: optionalWindow,
  isWindowed: (layer, raw) => !isRotatedInSmollm3(layer, raw),
};

const olmo2: Family = {
  ...llama,
  defaults: { ...llama.defaults, rms_norm_eps: 1e-5, bos_token_id: null, eos_token_id: 50_279 },
  normPlacement: () => 'after',
  queryKeyNorm: 'all',
  mlp: { ...llama.mlp, bias: never },
};

const olmo3: Family = {
  ...olmo2,
  defaults: { ...olmo2.defaults, rope_theta: 500_000, sliding_window: 4096 },
  rope: (raw, options) =>
    options.layerType === 'sliding_attention' ? unscaledRope(raw, options) : parseRope(raw, options),
  slidingWindow,
  isWindowed: (layer) => (layer + 1) % 4 !== 0,
};

const granite: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    embedding_multiplier: 1,
    logits_scaling: 1,
    residual_multiplier: 1,
    attention_multiplier: 1,
  },
  embeddingScale: (raw) => raw.number('embedding_multiplier'),
  residualScale: (raw) => raw.number('residual_multiplier'),
  logitScale: (raw) => 1 / raw.number('logits_scaling'),
  scale: (raw) => raw.number('attention_multiplier'),
};

const seedOss: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 8,
    head_dim: 128,
    max_position_embeddings: 524_288,
    bos_token_id: 0,
    attention_bias: true,
  },
  outputBias: (raw) => raw.boolean('attention_out_bias', false),
};

const ernie45: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 2,
    head_dim: 128,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
    max_position_embeddings: 131_072,
    tie_word_embeddings: true,
    use_bias: false,
  },
  rope: interleavedRope,
  qkvBias: withBiases,
  outputBias: withBiases,
  mlp: { ...llama.mlp, bias: withBiases },
};

const glm: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 2,
    head_dim: 128,
    rms_norm_eps: 1.5625e-7,
    max_position_embeddings: 131_072,
    partial_rotary_factor: 0.5,
    attention_bias: true,
    bos_token_id: null,
    eos_token_id: [151_329, 151_336, 151_338],
  },
  rope: (raw, options) => interleavedRope(raw, { ...options, isPartial: true }),
  outputBias: never,
  mlp: { ...llama.mlp, bias: never },
};

const glm4: Family = { ...glm, normPlacement: () => 'both' };

const cohere: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 8192,
    logit_scale: 0.0625,
    bos_token_id: 5,
    eos_token_id: 255_001,
    tie_word_embeddings: true,
  },
  check(raw) {
    if (raw.boolean('use_qk_norm', false)) throw raw.unsupported('use_qk_norm', 'false');
  },
  logitScale: (raw) => raw.number('logit_scale'),
  normPlacement: () => 'shared',
  norm: { kind: 'layer', unitOffset: false, bias: false },
  epsilonKey: 'layer_norm_eps',
  rope: interleavedRope,
  mlp: { ...llama.mlp, bias: never },
};

const cohere2: Family = {
  ...cohere,
  defaults: { ...cohere.defaults, sliding_window: 4096, sliding_window_pattern: 4 },
  slidingWindow,
  isWindowed: (layer, raw) => (layer + 1) % raw.integer('sliding_window_pattern') !== 0,
  isRotated: (_layer, type) => type === 'sliding_attention',
};

const exaone4: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 32,
    rms_norm_eps: 1e-5,
    sliding_window: 4096,
    sliding_window_pattern: 4,
    bos_token_id: 0,
  },
  normPlacement: () => 'after',
  queryKeyNorm: 'head',
  qkvBias: never,
  outputBias: never,
  slidingWindow,
  isWindowed: (layer, raw) => (layer + 1) % raw.integer('sliding_window_pattern', 4) !== 0,
  isRotated: (_layer, type, raw) => !raw.has('sliding_window') || type === 'sliding_attention',
  mlp: { ...llama.mlp, bias: never },
};

const starcoder2: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_act: 'gelu_pytorch_tanh',
    num_key_value_heads: 2,
    norm_epsilon: 1e-5,
    max_position_embeddings: 4096,
    bos_token_id: 50_256,
    eos_token_id: 50_256,
    tie_word_embeddings: true,
  },
  norm: { kind: 'layer', unitOffset: false, bias: true },
  epsilonKey: 'norm_epsilon',
  qkvBias: withBiases,
  outputBias: withBiases,
  slidingWindow,
  mlp: { ...llama.mlp, gated: false, bias: withBiases },
};

const stablelm: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    num_key_value_heads: 32,
    layer_norm_eps: 1e-5,
    max_position_embeddings: 4096,
    partial_rotary_factor: 0.25,
    bos_token_id: 0,
    eos_token_id: 0,
  },
  rope: partialRope,
  check(raw) {
    if (raw.boolean('qk_layernorm', false)) throw raw.unsupported('qk_layernorm', 'false');
  },
  normPlacement: (raw) => (raw.boolean('use_parallel_residual', false) ? 'shared' : 'before'),
  norm: { kind: 'layer', unitOffset: false, bias: true },
  epsilonKey: 'layer_norm_eps',
  qkvBias: (raw) => raw.boolean('use_qkv_bias', false),
  outputBias: never,
  mlp: { ...llama.mlp, bias: never },
};

const arcee: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_act: 'relu2',
    rms_norm_eps: 1e-5,
    max_position_embeddings: 4096,
    bos_token_id: 128_000,
    eos_token_id: 128_001,
  },
  mlp: { ...llama.mlp, gated: false },
};

const nemotron: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_act: 'relu2',
    norm_eps: 1e-5,
    max_position_embeddings: 4096,
    partial_rotary_factor: 0.5,
    bos_token_id: 2,
    eos_token_id: 3,
  },
  rope: partialRope,
  norm: { kind: 'layer', unitOffset: true, bias: true },
  epsilonKey: 'norm_eps',
  mlp: { ...llama.mlp, gated: false },
};

const phi: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_act: 'gelu_new',
    layer_norm_eps: 1e-5,
    partial_rotary_factor: 0.5,
  },
  rope: partialRope,
  check(raw) {
    if (raw.boolean('qk_layernorm', false)) throw raw.unsupported('qk_layernorm', 'false');
  },
  normPlacement: () => 'shared',
  norm: { kind: 'layer', unitOffset: false, bias: true },
  epsilonKey: 'layer_norm_eps',
  qkvBias: always,
  outputBias: always,
  headBias: true,
  mlp: { ...llama.mlp, gated: false, bias: always },
};

const gptNeox: Family = {
  ...llama,
  defaults: {
    ...llama.defaults,
    hidden_act: 'gelu',
    layer_norm_eps: 1e-5,
    rotary_pct: 0.25,
    bos_token_id: 0,
    eos_token_id: 2,
    attention_bias: true,
  },
  rope: partialRope,
  normPlacement: (raw) => (raw.boolean('use_parallel_residual', true) ? 'parallel' : 'before'),
  norm: { kind: 'layer', unitOffset: false, bias: true },
  epsilonKey: 'layer_norm_eps',
  mlp: { ...llama.mlp, gated: false, bias: always },
};

/** The families that can be loaded, by the `model_type` of their config.json. */
export const families: Readonly<Record<string, Family>> = {
  llama,
  mistral,
  ministral,
  qwen2,
  qwen2_vl_text: qwen2VlText,
  qwen2_5_vl_text: qwen2VlText,
  qwen3,
  qwen3_moe: qwen3Moe,
  qwen3_vl_text: qwen3VlText,
  mixtral,
  gemma,
  gemma2,
  gemma3_text: gemma3,
  phi,
  phi3,
  smollm3,
  olmo2,
  olmo3,
  granite,
  arcee,
  seed_oss: seedOss,
  ernie4_5: ernie45,
  glm,
  glm4,
  cohere,
  cohere2,
  exaone4,
  starcoder2,
  stablelm,
  nemotron,
  gpt_neox: gptNeox,
  bloom,
};
