import { AttentionError } from '@attention-js/core';
import type { AttentionErrorCode } from '@attention-js/core';
import { describe, expect, test } from '@jest/globals';
import { parseConfig } from './parse_config.ts';

const llama = {
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 512,
};
const windows = (config: object): unknown => parseConfig({ ...llama, ...config }).attention.slidingWindows;
const rope = (config: object): unknown => parseConfig({ ...llama, ...config }).ropes[0];
const plain = { scaling: { type: 'default' }, rotaryDim: 16, interleaved: false };

test('reads a Llama 2 of before rope scaling was written', () => {
  expect(parseConfig({ ...llama, bos_token_id: 1, eos_token_id: 2, torch_dtype: 'float16' })).toEqual({
    family: 'llama',
    vocabSize: 100,
    hiddenSize: 64,
    numLayers: 4,
    maxPositions: 512,
    bosTokenId: 1,
    eosTokenIds: [2],
    tieWordEmbeddings: false,
    embeddingNorm: false,
    normPlacement: 'before',
    norm: { kind: 'rms', unitOffset: false, bias: false, epsilon: 1e-5 },
    attention: {
      numHeads: 4,
      numKvHeads: 2,
      headSize: 16,
      scale: 0.25,
      slidingWindows: [undefined, undefined, undefined, undefined],
      alibi: false,
      qkvBias: false,
      outputBias: false,
    },
    ropes: Array.from({ length: 4 }, () => ({ ...plain, theta: 10_000 })),
    headBias: false,
    mlp: { gated: true, activation: 'silu', bias: false, intermediateSize: 96 },
  });
});

test('takes absent, null, single and several end tokens', () => {
  expect(parseConfig(llama).eosTokenIds).toEqual([2]); // as LlamaConfig documents
  expect(parseConfig({ ...llama, model_type: 'qwen2' }).eosTokenIds).toEqual([]);
  expect(parseConfig({ ...llama, eos_token_id: null }).eosTokenIds).toEqual([]);
  expect(parseConfig({ ...llama, eos_token_id: [2, 3] }).eosTokenIds).toEqual([2, 3]);
});

describe('rotary embedding', () => {
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
  const scaling = {
    type: 'llama3',
    factor: 8,
    lowFrequencyFactor: 1,
    highFrequencyFactor: 4,
    originalMaxPositions: 128,
  };

  test('as transformers 4 writes it', () => {
    expect(rope({ rope_theta: 5e5, rope_scaling: null })).toEqual({ ...plain, theta: 5e5 });
    const linear = { ...plain, theta: 10_000, scaling: { type: 'linear', factor: 4 } };
    expect(rope({ rope_scaling: { type: 'linear', factor: 4 } })).toEqual(linear);
    const old = { ...llama3, rope_type: 'llama3', original_max_position_embeddings: 128 };
    expect(rope({ rope_theta: 5e5, rope_scaling: old })).toEqual({ ...plain, theta: 5e5, scaling });
  });

  test('as transformers 5 writes it', () => {
    const parameters = { rope_type: 'default', rope_theta: 1e6 };
    expect(rope({ rope_parameters: parameters })).toEqual({ ...plain, theta: 1e6 });
    const scaled = { ...llama3, rope_type: 'llama3', rope_theta: 5e5 };
    expect(rope({ rope_parameters: { ...scaled, original_max_position_embeddings: 128 } })).toEqual({
      ...plain,
      theta: 5e5,
      scaling,
    });
    expect(rope({ rope_parameters: scaled })).toMatchObject({
      scaling: { ...scaling, originalMaxPositions: 512 },
    });
  });

  test('yarn, whose factor and attention factor may be worked out', () => {
    const yarn = { type: 'yarn', original_max_position_embeddings: 128 };
    const worked = {
      type: 'yarn',
      factor: 4,
      betaFast: 32,
      betaSlow: 1,
      originalMaxPositions: 128,
      truncate: true,
      attentionFactor: 1.138629436111989,
    };
    expect(rope({ rope_scaling: yarn })).toMatchObject({ scaling: worked });
    expect(rope({ rope_scaling: { ...yarn, factor: 40, mscale: 1, mscale_all_dim: 0.5 } })).toMatchObject({
      scaling: { attentionFactor: 1.1557219901962608 },
    });
    expect(rope({ rope_scaling: { ...yarn, attention_factor: 1, truncate: false } })).toMatchObject({
      scaling: { attentionFactor: 1, truncate: false },
    });
  });

  test('what depends on the length of the text is served as far as it does not', () => {
    const dynamic = { ...llama, rope_scaling: { type: 'dynamic', factor: 2 } };
    expect(parseConfig(dynamic).maxPositions).toBe(512);
    const longrope = {
      type: 'su',
      short_factor: Array(6).fill(1.5),
      long_factor: Array(6).fill(4),
      original_max_position_embeddings: 128,
    };
    const phi = {
      ...llama,
      model_type: 'phi3',
      partial_rotary_factor: 0.75,
      original_max_position_embeddings: 128,
    };
    const config = parseConfig({ ...phi, rope_scaling: longrope });
    expect(config.maxPositions).toBe(128);
    expect(config.ropes[0]).toEqual({
      theta: 10_000,
      rotaryDim: 12,
      interleaved: false,
      scaling: {
        type: 'longrope',
        shortFactors: Array(6).fill(1.5),
        originalMaxPositions: 128,
        attentionFactor: Math.sqrt(1 + Math.log(4) / Math.log(128)),
      },
    });
  });

  test('one for each layer type, or none', () => {
    const gemma = { ...llama, model_type: 'gemma3_text', sliding_window_pattern: 2, rope_theta: 1e6 };
    const linear = { type: 'linear', factor: 8 };
    const bases = (config: object): unknown =>
      parseConfig({ ...gemma, ...config }).ropes.map((found) => [found?.theta, found?.scaling.type]);
    const expected = [
      [1e4, 'default'],
      [1e6, 'linear'],
      [1e4, 'default'],
      [1e6, 'linear'],
    ];
    expect(bases({ rope_local_base_freq: 1e4, rope_scaling: linear })).toEqual(expected);
    const nested = {
      full_attention: { ...linear, rope_theta: 1e6 },
      sliding_attention: { rope_type: 'default', rope_theta: 1e4 },
    };
    expect(bases({ rope_parameters: nested })).toEqual(expected);
    const rotated = (config: object): unknown =>
      parseConfig({ ...llama, ...config }).ropes.map((found) => found !== undefined);
    expect(rotated({ model_type: 'smollm3' })).toEqual([true, true, true, false]);
    expect(rotated({ model_type: 'smollm3', no_rope_layers: [1, 0, 1, 0] })).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(rotated({ model_type: 'cohere2', sliding_window: 8 })).toEqual([true, true, true, false]);
    expect(rotated({ model_type: 'exaone4', sliding_window: null })).toEqual([true, true, true, true]);
  });

  test('of two objects is that under the older name, with theta from wherever it is', () => {
    const both = {
      rope_theta: 5e5,
      rope_parameters: { rope_type: 'default', rope_theta: 1e6 },
      rope_scaling: { rope_type: 'linear', factor: 2 },
    };
    expect(rope(both)).toMatchObject({ theta: 5e5, scaling: { type: 'linear', factor: 2 } });
  });
});

describe('sliding windows', () => {
  test('of Mistral are in every layer, or in none', () => {
    expect(windows({ model_type: 'mistral', sliding_window: 8 })).toEqual([8, 8, 8, 8]);
    expect(windows({ model_type: 'mistral' })).toEqual([4096, 4096, 4096, 4096]);
    expect(windows({ model_type: 'mistral', sliding_window: null })).toEqual(Array(4).fill(undefined));
  });

  test('of Qwen start at a layer and are off by default', () => {
    const qwen = { model_type: 'qwen2', sliding_window: 8, max_window_layers: 3 };
    expect(windows(qwen)).toEqual(Array(4).fill(undefined));
    expect(windows({ ...qwen, use_sliding_window: true })).toEqual([undefined, undefined, undefined, 8]);
    const moe = {
      num_experts: 4,
      num_experts_per_tok: 2,
      moe_intermediate_size: 8,
      use_sliding_window: true,
    };
    expect(windows({ ...moe, model_type: 'qwen3_moe' })).toEqual([4096, 4096, 4096, 4096]);
  });

  test('of Gemma 2 alternate', () => {
    const gemma = { model_type: 'gemma2', query_pre_attn_scalar: 16, sliding_window: 8 };
    expect(windows(gemma)).toEqual([8, undefined, 8, undefined]);
  });

  test('follow layer_types where it is given', () => {
    const [full, sliding] = ['full_attention', 'sliding_attention'];
    const layers = {
      sliding_window: 8,
      use_sliding_window: true,
      layer_types: [sliding, full, full, sliding],
    };
    for (const model_type of ['qwen2', 'qwen3', 'gemma2']) {
      const config = { ...layers, model_type, query_pre_attn_scalar: 16 };
      expect(windows(config)).toEqual([8, undefined, undefined, 8]);
    }
  });
});

test('reads the options of Gemma 2', () => {
  const gemma = { ...llama, model_type: 'gemma2', query_pre_attn_scalar: 64, head_dim: 32 };
  const config = parseConfig({
    ...gemma,
    hidden_activation: 'gelu_pytorch_tanh',
    attn_logit_softcapping: null,
  });
  expect(config).toMatchObject({
    tieWordEmbeddings: true,
    embeddingScale: 8,
    normPlacement: 'both',
    norm: { kind: 'rms', unitOffset: true },
    attention: { headSize: 32, scale: 0.125, softcap: undefined },
    mlp: { activation: 'gelu_tanh', gated: true },
    logitSoftcap: 30,
  });
});

test('reads which layers of Qwen 3 MoE are mixtures of experts', () => {
  const moe = {
    ...llama,
    model_type: 'qwen3_moe',
    num_experts: 8,
    num_experts_per_tok: 2,
    moe_intermediate_size: 32,
    norm_topk_prob: true,
  };
  expect(parseConfig(moe).moe).toEqual({
    numExperts: 8,
    numExpertsPerToken: 2,
    activation: 'silu',
    intermediateSize: 32,
    renormalize: true,
    layers: [true, true, true, true],
  });
  expect(parseConfig({ ...moe, decoder_sparse_step: 2 }).moe?.layers).toEqual([false, true, false, true]);
  expect(parseConfig({ ...moe, mlp_only_layers: [0, 3] }).moe?.layers).toEqual([false, true, true, false]);
});

test('reads BLOOM under its own names', () => {
  const bloom = {
    model_type: 'bloom',
    vocab_size: 9,
    n_embed: 64,
    n_layer: 2,
    n_head: 4,
    layer_norm_epsilon: 1e-5,
  };
  expect(parseConfig({ ...bloom, seq_length: 1024 })).toMatchObject({
    hiddenSize: 64,
    numLayers: 2,
    maxPositions: 1024,
    embeddingNorm: true,
    ropes: [undefined, undefined],
    norm: { kind: 'layer' },
    attention: { numHeads: 4, numKvHeads: 4, headSize: 16, alibi: true, qkvBias: true, outputBias: true },
    mlp: { gated: false, activation: 'gelu_tanh', bias: true, intermediateSize: 256 },
  });
});

const faults: [string, unknown, AttentionErrorCode, string][] = [
  ['no object', [], 'ERR_DTYPE', 'config.json: expected a JSON object'],
  ['no model_type', {}, 'ERR_DTYPE', 'config.json: model_type: expected a string, received none'],
  [
    'an unknown family',
    { ...llama, model_type: 'mamba' },
    'ERR_UNSUPPORTED',
    'one of llama, mistral, ministral, qwen2,',
  ],
  ['a family from the prototype', { ...llama, model_type: 'constructor' }, 'ERR_UNSUPPORTED', 'model_type'],
  ['quantized weights', { ...llama, quantization_config: {} }, 'ERR_UNSUPPORTED', 'quantization_config'],
  [
    'a missing size',
    { ...llama, hidden_size: undefined },
    'ERR_DTYPE',
    'hidden_size or n_embed: expected an integer',
  ],
  [
    'a size of another kind',
    { ...llama, vocab_size: '100' },
    'ERR_DTYPE',
    'vocab_size: expected an integer >= 0',
  ],
  [
    'no layers',
    { ...llama, num_hidden_layers: 0 },
    'ERR_RANGE',
    'num_hidden_layers: expected an integer >= 1',
  ],
  ['a fractional head size', { ...llama, num_attention_heads: 6 }, 'ERR_UNSUPPORTED', 'head_dim'],
  [
    'heads without KV heads',
    { ...llama, num_key_value_heads: 3 },
    'ERR_SHAPE',
    'a divisor of num_attention_heads 4',
  ],
  ['an epsilon of null', { ...llama, rms_norm_eps: null }, 'ERR_DTYPE', 'rms_norm_eps'],
  [
    'a scaling by zero',
    { ...llama, rope_scaling: { type: 'linear', factor: 0 } },
    'ERR_DTYPE',
    'a number > 0',
  ],
  ['a theta below zero', { ...llama, rope_theta: -1 }, 'ERR_DTYPE', 'rope_theta: expected a number > 0'],
  [
    'heads of odd size',
    { ...llama, head_dim: 15 },
    'ERR_UNSUPPORTED',
    'head_dim: expected a head size that is a multiple of 8',
  ],
  [
    'heads of two billion',
    { ...llama, head_dim: 2 ** 31 },
    'ERR_UNSUPPORTED',
    'head_dim: expected a head size',
  ],
  ['rows of a billion', { ...llama, hidden_size: 1e9 }, 'ERR_RANGE', 'hidden_size: expected an integer'],
  ['a billion tokens', { ...llama, vocab_size: 1e9 }, 'ERR_RANGE', 'vocab_size: expected an integer'],
  [
    'a billion features',
    { ...llama, intermediate_size: 1e9 },
    'ERR_RANGE',
    'intermediate_size: expected an integer',
  ],
  [
    'more angles than there is memory for',
    { ...llama, head_dim: 256, max_position_embeddings: 2 ** 23 },
    'ERR_RANGE',
    'max_position_embeddings: expected at most 524288 with heads of 256',
  ],
  ['a billion layers', { ...llama, num_hidden_layers: 1e9 }, 'ERR_RANGE', 'num_hidden_layers'],
  ['a billion heads', { ...llama, num_attention_heads: 1e9 }, 'ERR_RANGE', 'num_attention_heads'],
  [
    'a billion experts',
    { ...llama, model_type: 'mixtral', num_local_experts: 1e9 },
    'ERR_RANGE',
    'num_local_experts',
  ],
  [
    'a billion positions',
    { ...llama, max_position_embeddings: 1e9 },
    'ERR_RANGE',
    'max_position_embeddings: expected an integer >= 1 and <= 16777216',
  ],
  [
    'a cap of zero',
    { ...llama, model_type: 'gemma2', final_logit_softcapping: 0 },
    'ERR_DTYPE',
    'final_logit_softcapping: expected a number > 0',
  ],
  [
    'an unknown activation',
    { ...llama, hidden_act: 'relu' },
    'ERR_UNSUPPORTED',
    'hidden_act: expected one of silu',
  ],
  [
    'an unknown scaling',
    { ...llama, rope_scaling: { type: 'ntk' } },
    'ERR_UNSUPPORTED',
    'one of default, linear, llama3, yarn, dynamic, longrope',
  ],
  [
    'rotary parameters of other layer types',
    { ...llama, rope_parameters: { sliding_attention: {} } },
    'ERR_UNSUPPORTED',
    'rope_parameters: sliding_attention: expected an object for layers of type full_attention',
  ],
  [
    'a scaling without its factor',
    { ...llama, rope_scaling: { type: 'linear' } },
    'ERR_DTYPE',
    'rope_scaling: factor',
  ],
  [
    'partial rotation among the rotary parameters',
    { ...llama, rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } },
    'ERR_UNSUPPORTED',
    'rope_parameters: partial_rotary_factor: expected 1, received 0.5',
  ],
  ['partial rotation', { ...llama, partial_rotary_factor: 0.5 }, 'ERR_UNSUPPORTED', 'partial_rotary_factor'],
  [
    'rotation of an odd part',
    { ...llama, model_type: 'phi3', partial_rotary_factor: 0.3125 },
    'ERR_UNSUPPORTED',
    'partial_rotary_factor: expected an even part of head_dim 16, received 0.3125',
  ],
  [
    'too few factors',
    { ...llama, model_type: 'phi3', rope_scaling: { type: 'longrope', short_factor: [1] } },
    'ERR_DTYPE',
    'short_factor: expected a list of 8 numbers > 0',
  ],
  [
    'a square without a gate',
    { ...llama, hidden_act: 'relu2' },
    'ERR_UNSUPPORTED',
    'hidden_act: expected silu or gelu, as there is a gate',
  ],
  [
    'an unknown layer type',
    { ...llama, layer_types: Array(4).fill('chunked_attention') },
    'ERR_UNSUPPORTED',
    'layer_types',
  ],
  [
    'too few layer types',
    { ...llama, layer_types: ['full_attention'] },
    'ERR_SHAPE',
    'one for each of 4 layers',
  ],
  [
    'windowed layers without a window',
    { ...llama, layer_types: Array(4).fill('sliding_attention') },
    'ERR_UNSUPPORTED',
    'layer_types: expected full_attention, as there is no sliding_window',
  ],
  [
    'more experts for a token than there are',
    { ...llama, model_type: 'mixtral', num_local_experts: 2, num_experts_per_tok: 3 },
    'ERR_RANGE',
    'num_experts_per_tok: expected an integer >= 1 and <= 2, received 3',
  ],
  [
    'bidirectional attention',
    { ...llama, model_type: 'gemma2', use_bidirectional_attention: true },
    'ERR_UNSUPPORTED',
    'use_bidirectional_attention',
  ],
  [
    'residuals of norms',
    { ...llama, model_type: 'bloom', apply_residual_connection_post_layernorm: true },
    'ERR_UNSUPPORTED',
    'apply_residual_connection_post_layernorm',
  ],
];

test.each(faults)('refuses %s', (_title, json, code, message) => {
  let thrown: unknown;
  try {
    parseConfig(json);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(AttentionError);
  expect((thrown as AttentionError).code).toBe(code);
  expect((thrown as AttentionError).message).toContain(message);
});
