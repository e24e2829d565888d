import { describe, expect, test } from '@jest/globals';
import { parseConfig } from './parse_config.ts';

/** A config.json as it was published, less the keys that no decoder needs, and what it must be read as. */
type Published = [name: string, json: object, expected: object];

const every = (length: number, window?: number): (number | undefined)[] => Array(length).fill(window);
const norm = (epsilon: number): object => ({ norm: { epsilon } });
const tokens = (bosTokenId?: number, ...eosTokenIds: number[]): object => ({ bosTokenId, eosTokenIds });
const theta = (value: number): object => ({ theta: value, scaling: { type: 'default' } });

const published: Published[] = [
  [
    'Llama 2 7B',
    {
      architectures: ['LlamaForCausalLM'],
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      hidden_size: 4096,
      initializer_range: 0.02,
      intermediate_size: 11008,
      max_position_embeddings: 4096,
      model_type: 'llama',
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 32,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: null,
      tie_word_embeddings: false,
      torch_dtype: 'float16',
      vocab_size: 32000,
    },
    {
      attention: { numKvHeads: 32, headSize: 128, qkvBias: false, slidingWindows: every(32) },
      rope: theta(1e4),
      tieWordEmbeddings: false,
    },
  ],
  [
    'Llama 3.2 1B Instruct',
    {
      attention_bias: false,
      bos_token_id: 128000,
      eos_token_id: [128001, 128008, 128009],
      head_dim: 64,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 8192,
      max_position_embeddings: 131072,
      mlp_bias: false,
      model_type: 'llama',
      num_attention_heads: 32,
      num_hidden_layers: 16,
      num_key_value_heads: 8,
      pretraining_tp: 1,
      rms_norm_eps: 1e-5,
      rope_scaling: {
        factor: 32,
        high_freq_factor: 4,
        low_freq_factor: 1,
        original_max_position_embeddings: 8192,
        rope_type: 'llama3',
      },
      rope_theta: 500000,
      tie_word_embeddings: true,
      torch_dtype: 'bfloat16',
      vocab_size: 128256,
    },
    {
      eosTokenIds: [128001, 128008, 128009],
      maxPositions: 131072,
      attention: { headSize: 64, numKvHeads: 8 },
      rope: {
        theta: 5e5,
        scaling: {
          type: 'llama3',
          factor: 32,
          lowFrequencyFactor: 1,
          highFrequencyFactor: 4,
          originalMaxPositions: 8192,
        },
      },
      tieWordEmbeddings: true,
    },
  ],
  [
    'Mistral 7B v0.1',
    {
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: 'mistral',
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 10000.0,
      sliding_window: 4096,
      tie_word_embeddings: false,
      vocab_size: 32000,
    },
    { attention: { headSize: 128, slidingWindows: every(32, 4096) }, rope: theta(1e4) },
  ],
  [
    'Mistral 7B v0.3',
    {
      attention_dropout: 0.0,
      bos_token_id: 1,
      eos_token_id: 2,
      head_dim: null,
      hidden_act: 'silu',
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: 'mistral',
      num_attention_heads: 32,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 1000000.0,
      sliding_window: null,
      tie_word_embeddings: false,
      vocab_size: 32768,
    },
    { attention: { headSize: 128, numKvHeads: 8, slidingWindows: every(32) }, rope: theta(1e6) },
  ],
  [
    'Qwen2.5 0.5B Instruct',
    {
      attention_dropout: 0.0,
      bos_token_id: 151643,
      eos_token_id: 151645,
      hidden_act: 'silu',
      hidden_size: 896,
      intermediate_size: 4864,
      max_position_embeddings: 32768,
      max_window_layers: 21,
      model_type: 'qwen2',
      num_attention_heads: 14,
      num_hidden_layers: 24,
      num_key_value_heads: 2,
      rms_norm_eps: 1e-6,
      rope_theta: 1000000.0,
      sliding_window: 32768,
      tie_word_embeddings: true,
      use_sliding_window: false,
      vocab_size: 151936,
    },
    {
      eosTokenIds: [151645],
      attention: { headSize: 64, qkvBias: true, outputBias: false, slidingWindows: every(24) },
      tieWordEmbeddings: true,
    },
  ],
  [
    'Qwen3 0.6B',
    {
      attention_bias: false,
      bos_token_id: 151643,
      eos_token_id: 151645,
      head_dim: 128,
      hidden_act: 'silu',
      hidden_size: 1024,
      intermediate_size: 3072,
      max_position_embeddings: 40960,
      max_window_layers: 28,
      model_type: 'qwen3',
      num_attention_heads: 16,
      num_hidden_layers: 28,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 1000000,
      sliding_window: null,
      tie_word_embeddings: true,
      use_sliding_window: false,
      vocab_size: 151936,
    },
    {
      attention: { headSize: 128, queryKeyNorm: true, qkvBias: false, slidingWindows: every(28) },
      tieWordEmbeddings: true,
    },
  ],
  [
    'Qwen3 30B A3B',
    {
      attention_bias: false,
      bos_token_id: 151643,
      decoder_sparse_step: 1,
      eos_token_id: 151645,
      head_dim: 128,
      hidden_act: 'silu',
      hidden_size: 2048,
      intermediate_size: 6144,
      max_position_embeddings: 40960,
      max_window_layers: 48,
      mlp_only_layers: [],
      model_type: 'qwen3_moe',
      moe_intermediate_size: 768,
      norm_topk_prob: true,
      num_attention_heads: 32,
      num_experts: 128,
      num_experts_per_tok: 8,
      num_hidden_layers: 48,
      num_key_value_heads: 4,
      rms_norm_eps: 1e-6,
      rope_scaling: null,
      rope_theta: 1000000.0,
      router_aux_loss_coef: 0.001,
      sliding_window: null,
      tie_word_embeddings: false,
      use_sliding_window: false,
      vocab_size: 151936,
    },
    {
      attention: { headSize: 128, numKvHeads: 4, queryKeyNorm: true },
      moe: {
        numExperts: 128,
        numExpertsPerToken: 8,
        intermediateSize: 768,
        renormalize: true,
        layers: Array(48).fill(true),
      },
    },
  ],
  [
    'Mixtral 8x7B',
    {
      bos_token_id: 1,
      eos_token_id: 2,
      hidden_act: 'silu',
      hidden_size: 4096,
      intermediate_size: 14336,
      max_position_embeddings: 32768,
      model_type: 'mixtral',
      num_attention_heads: 32,
      num_experts_per_tok: 2,
      num_hidden_layers: 32,
      num_key_value_heads: 8,
      num_local_experts: 8,
      output_router_logits: false,
      rms_norm_eps: 1e-5,
      rope_theta: 1000000.0,
      router_aux_loss_coef: 0.02,
      sliding_window: null,
      tie_word_embeddings: false,
      vocab_size: 32000,
    },
    {
      attention: { headSize: 128, slidingWindows: every(32) },
      rope: theta(1e6),
      moe: { numExperts: 8, numExpertsPerToken: 2, intermediateSize: 14336, renormalize: true },
    },
  ],
  [
    'Gemma 2 2B',
    {
      attention_bias: false,
      attn_logit_softcapping: 50.0,
      bos_token_id: 2,
      cache_implementation: 'hybrid',
      eos_token_id: [1, 107],
      final_logit_softcapping: 30.0,
      head_dim: 256,
      hidden_act: 'gelu_pytorch_tanh',
      hidden_activation: 'gelu_pytorch_tanh',
      hidden_size: 2304,
      intermediate_size: 9216,
      max_position_embeddings: 8192,
      model_type: 'gemma2',
      num_attention_heads: 8,
      num_hidden_layers: 26,
      num_key_value_heads: 4,
      query_pre_attn_scalar: 256,
      rms_norm_eps: 1e-6,
      rope_theta: 10000.0,
      sliding_window: 4096,
      vocab_size: 256000,
    },
    {
      tieWordEmbeddings: true,
      embeddingScale: 48,
      attention: {
        scale: 1 / 16,
        softcap: 50,
        slidingWindows: every(26).map((_, i) => (i % 2 ? undefined : 4096)),
      },
      mlp: { activation: 'gelu_tanh' },
      logitSoftcap: 30,
    },
  ],
  [
    'BLOOM 560M',
    {
      apply_residual_connection_post_layernorm: false,
      attention_softmax_in_fp32: true,
      bias_dropout_fusion: true,
      bos_token_id: 1,
      eos_token_id: 2,
      layer_norm_epsilon: 1e-5,
      masked_softmax_fusion: true,
      model_type: 'bloom',
      n_embed: 1024,
      n_inner: null,
      n_layer: 24,
      num_attention_heads: 16,
      offset_alibi: 100,
      pretraining_tp: 1,
      seq_length: 2048,
      skip_bias_add: true,
      skip_bias_add_qkv: false,
      vocab_size: 250880,
    },
    {
      hiddenSize: 1024,
      numLayers: 24,
      maxPositions: 2048,
      tieWordEmbeddings: true,
      attention: { numHeads: 16, headSize: 64, alibi: true },
      mlp: { activation: 'gelu_tanh', gated: false, intermediateSize: 4096 },
    },
  ],
];

test.each(published)('reads %s', (_name, json, expected) => {
  expect(parseConfig(json)).toMatchObject(expected);
});

describe('keys that are absent have the values that transformers documents', () => {
  const sizes = {
    vocab_size: 100,
    hidden_size: 1024,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 32,
    query_pre_attn_scalar: 256,
    num_experts: 8,
    num_experts_per_tok: 2,
    moe_intermediate_size: 32,
  };
  const families: [family: string, numKvHeads: number, headSize: number, expected: object][] = [
    ['llama', 32, 32, { maxPositions: 2048, rope: theta(1e4), ...norm(1e-6), ...tokens(1, 2) }],
    ['mistral', 8, 32, { maxPositions: 131072, rope: theta(1e4), ...norm(1e-6), ...tokens(1, 2) }],
    ['mixtral', 8, 32, { maxPositions: 131072, rope: theta(1e6), ...norm(1e-5), ...tokens(1, 2) }],
    ['qwen2', 32, 32, { maxPositions: 32768, rope: theta(1e4), ...norm(1e-6), ...tokens() }],
    ['qwen3', 32, 128, { maxPositions: 32768, rope: theta(1e4), ...norm(1e-6), ...tokens() }],
    ['qwen3_moe', 4, 32, { maxPositions: 32768, rope: theta(1e4), ...norm(1e-6), ...tokens() }],
    ['gemma2', 4, 256, { maxPositions: 8192, rope: theta(1e4), ...norm(1e-6), ...tokens(2, 1) }],
    ['bloom', 32, 32, { maxPositions: 2048, ...norm(1e-5), ...tokens(1, 2) }],
  ];

  test.each(families)('%s', (model_type, numKvHeads, headSize, expected) => {
    const config = parseConfig({ ...sizes, model_type });
    expect(config).toMatchObject({ ...expected, attention: { numKvHeads, headSize } });
    expect(config.tieWordEmbeddings).toBe(['gemma2', 'bloom'].includes(model_type));
    const window = ['mistral', 'gemma2'].includes(model_type) ? 4096 : undefined;
    expect(config.attention.slidingWindows[0]).toBe(window);
  });

  test('but null is a value', () => {
    const config = { ...sizes, model_type: 'mistral', num_key_value_heads: null, sliding_window: null };
    expect(parseConfig(config).attention).toMatchObject({ numKvHeads: 32, slidingWindows: every(2) });
  });

  test('keys of other families do not count', () => {
    const { mlp } = parseConfig({ ...sizes, model_type: 'gemma2', hidden_act: 'gelu' });
    expect(mlp.activation).toBe('gelu_tanh');
    expect(parseConfig({ ...sizes, model_type: 'bloom', hidden_act: 'gelu' }).mlp.activation).toBe(
      'gelu_tanh',
    );
    expect(parseConfig({ ...sizes, model_type: 'llama', hidden_activation: 'gelu' }).mlp.activation).toBe(
      'silu',
    );
  });
});
