import { checkHeadSize, Checks } from '@attention-js/core';
import { families } from './families.ts';
import type { Family } from './families.ts';
import type { AttentionConfig, MlpConfig, ModelConfig, MoeConfig, NormConfig } from './model_config.ts';
import { RawConfig } from './raw_config.ts';

/** Most layers, heads or experts: lists of that length are made before any weight confirms the number. */
const MAX_PARTS = 65_536;
/** Longest rows: no model has a tenth of that. */
const MAX_COLUMNS = 2 ** 20;
/** Largest vocabulary. */
const MAX_TOKENS = 2 ** 24;
/** Numbers in one table of the rotary embedding: a million positions of heads of 128. They take seconds. */
const MAX_ANGLES = 2 ** 26;
/** Longest sequence: float32, in which positions are multiplied by frequencies, has every integer up to here. */
const MAX_POSITIONS = 2 ** 24;

const checks = new Checks('loadModel');

/**
 * Normalises a Hugging Face config.json, as transformers 4 or 5 writes it.
 *
 * @param json The parsed file.
 * @throws AttentionError `ERR_UNSUPPORTED` for a family or option that is not served, naming those that are;
 * `ERR_DTYPE` for a missing value or one of another kind; `ERR_RANGE` and `ERR_SHAPE` for sizes that do not fit.
 */
export function parseConfig(json: unknown): ModelConfig {
  const file = new RawConfig(json);
  const name = file.string('model_type');
  if (!Object.hasOwn(families, name)) {
    throw file.unsupported('model_type', `one of ${Object.keys(families).join(', ')}`);
  }
  if (file.has('quantization_config')) throw file.unsupported('quantization_config', 'none');
  const family = families[name];
  const raw = file.withDefaults(family.defaults);
  family.check?.(raw);

  const hiddenSize = size(raw, ['hidden_size', 'n_embed'], MAX_COLUMNS);
  const numLayers = size(raw, ['num_hidden_layers', 'n_layer'], MAX_PARTS);
  const maxPositions = size(raw, ['max_position_embeddings', 'seq_length'], MAX_POSITIONS);
  const attention = parseAttention(raw, family, hiddenSize, numLayers);
  if (family.rope) checkTables(maxPositions, attention.headSize);
  return {
    family: name,
    vocabSize: size(raw, ['vocab_size'], MAX_TOKENS),
    hiddenSize,
    numLayers,
    maxPositions,
    bosTokenId: raw.has('bos_token_id') ? raw.integer('bos_token_id') : undefined,
    eosTokenIds: raw.integers('eos_token_id', []),
    tieWordEmbeddings: raw.boolean('tie_word_embeddings', false),
    embeddingScale: family.embeddingScale?.(raw),
    embeddingNorm: family.embeddingNorm,
    outputNorms: family.outputNorms,
    norm: parseNorm(raw, family),
    attention,
    rope: family.rope?.(raw),
    mlp: parseMlp(raw, family, hiddenSize),
    moe: parseMoe(raw, family, numLayers),
    logitSoftcap: family.logitSoftcap?.(raw),
  };
}

function size(raw: RawConfig, names: string[], maximum?: number): number {
  const value = raw.integer(names);
  checks.integer(`config.json: ${names[0]}`, value, 1, maximum);
  return value;
}

function checkTables(maxPositions: number, headSize: number): void {
  const most = Math.floor(MAX_ANGLES / (headSize / 2));
  const expected = `at most ${most} with heads of ${headSize}`;
  const argument = 'config.json: max_position_embeddings';
  checks.expect(maxPositions <= most, 'ERR_RANGE', argument, expected, maxPositions);
}

function parseNorm(raw: RawConfig, family: Family): NormConfig {
  return { ...family.norm, epsilon: raw.number(['rms_norm_eps', 'layer_norm_epsilon']) };
}

function parseAttention(
  raw: RawConfig,
  family: Family,
  hiddenSize: number,
  numLayers: number,
): AttentionConfig {
  const numHeads = size(raw, ['num_attention_heads', 'n_head'], MAX_PARTS);
  const numKvHeads = raw.integer('num_key_value_heads', numHeads);
  checks.expect(
    numKvHeads > 0 && numHeads % numKvHeads === 0,
    'ERR_SHAPE',
    'config.json: num_key_value_heads',
    `a divisor of num_attention_heads ${numHeads}`,
    numKvHeads,
  );
  const headSize = raw.integer('head_dim', hiddenSize / numHeads);
  checkHeadSize(checks, 'config.json: head_dim', headSize);
  return {
    numHeads,
    numKvHeads,
    headSize,
    scale: family.scaleDivisor(raw, headSize) ** -0.5,
    softcap: family.attentionSoftcap?.(raw),
    slidingWindows: parseWindows(raw, family, numLayers),
    alibi: family.alibi,
    queryKeyNorm: family.queryKeyNorm,
    qkvBias: family.qkvBias(raw),
    outputBias: family.outputBias(raw),
  };
}

function parseWindows(raw: RawConfig, family: Family, numLayers: number): (number | undefined)[] {
  const window = family.slidingWindow(raw);
  const types = raw.strings('layer_types');
  if (types && !types.every((type) => type === 'full_attention' || type === 'sliding_attention')) {
    throw raw.unsupported('layer_types', 'full_attention and sliding_attention');
  }
  checks.expect(
    types === undefined || types.length === numLayers,
    'ERR_SHAPE',
    'config.json: layer_types',
    `one for each of ${numLayers} layers`,
    types?.length,
  );
  if (types?.includes('sliding_attention') && window === undefined) {
    throw raw.unsupported('layer_types', 'full_attention, as there is no sliding_window');
  }
  const isWindowed = (layer: number): boolean =>
    types ? types[layer] === 'sliding_attention' : family.isWindowed(layer, raw);
  return Array.from({ length: numLayers }, (_, layer) => (isWindowed(layer) ? window : undefined));
}

function within(key: string, value: number): number {
  checks.integer(`config.json: ${key}`, value, 1, MAX_COLUMNS);
  return value;
}

function parseMlp(raw: RawConfig, family: Family, hiddenSize: number): MlpConfig {
  return {
    gated: family.mlp.gated,
    activation: family.mlp.activation(raw),
    bias: family.mlp.bias(raw),
    intermediateSize: within('intermediate_size', family.mlp.intermediateSize(raw, hiddenSize)),
  };
}

function parseMoe(raw: RawConfig, { moe }: Family, numLayers: number): MoeConfig | undefined {
  if (!moe) return undefined;
  const numExperts = size(raw, ['num_local_experts', 'num_experts'], MAX_PARTS);
  const numExpertsPerToken = size(raw, ['num_experts_per_tok']);
  checks.integer('config.json: num_experts_per_tok', numExpertsPerToken, 1, numExperts);
  return {
    numExperts,
    numExpertsPerToken,
    intermediateSize: within('moe_intermediate_size', moe.intermediateSize(raw)),
    renormalize: moe.renormalize(raw),
    layers: Array.from({ length: numLayers }, (_, layer) => moe.isSparse(layer, raw)),
  };
}
