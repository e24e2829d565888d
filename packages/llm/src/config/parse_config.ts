import { checkHeadSize, Checks } from '@attention-js/core';
import { families } from './families.ts';
import type { Family, LayerType } from './family.ts';
import type {
  AttentionConfig,
  MlpConfig,
  ModelConfig,
  MoeConfig,
  NormConfig,
  RopeConfig,
} from './model_config.ts';
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
  const whole = new RawConfig(json);
  const file = textConfig(whole);
  const name = file.string('model_type');
  if (!Object.hasOwn(families, name)) {
    throw file.unsupported('model_type', `one of ${Object.keys(families).join(', ')}`);
  }
  for (const config of [whole, file]) {
    if (config.has('quantization_config')) throw config.unsupported('quantization_config', 'none');
  }
  const family = families[name];
  const raw = file.withDefaults(family.defaults);
  family.check?.(raw);
  const hiddenSize = size(raw, ['hidden_size', 'n_embed'], MAX_COLUMNS);
  const numLayers = size(raw, ['num_hidden_layers', 'n_layer'], MAX_PARTS);
  const layerTypes = parseLayerTypes(raw, family, numLayers);
  const attention = parseAttention(raw, family, hiddenSize, layerTypes);
  const ropes = parseRopes(raw, family, attention.headSize, layerTypes);
  const maxPositions = Math.min(
    size(raw, ['max_position_embeddings', 'seq_length'], MAX_POSITIONS),
    ...ropes.map(servedPositions),
  );
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
    residualScale: family.residualScale?.(raw),
    logitScale: family.logitScale?.(raw),
    embeddingNorm: family.embeddingNorm,
    normPlacement: family.normPlacement(raw),
    norm: parseNorm(raw, family),
    attention,
    ropes,
    mlp: parseMlp(raw, family, hiddenSize),
    moe: parseMoe(raw, family, numLayers),
    headBias: family.headBias,
    logitSoftcap: family.logitSoftcap?.(raw),
  };
}

/** The part of a multimodal checkpoint that reads and writes text; what it lacks is taken from the whole. */
function textConfig(whole: RawConfig): RawConfig {
  const text = whole.object('text_config');
  return text ? whole.with({ text_config: null, vision_config: null }).overlaidBy(text) : whole;
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
  return { ...family.norm, epsilon: raw.number(family.epsilonKey) };
}

function parseAttention(
  raw: RawConfig,
  family: Family,
  hiddenSize: number,
  layerTypes: readonly LayerType[],
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
    scale: family.scale(raw, headSize),
    softcap: family.attentionSoftcap?.(raw),
    slidingWindows: layerTypes.map((type) =>
      type === 'sliding_attention' ? family.slidingWindow(raw) : undefined,
    ),
    alibi: family.alibi,
    queryKeyNorm: family.queryKeyNorm,
    qkvBias: family.qkvBias(raw),
    outputBias: family.outputBias(raw),
  };
}

function isLayerType(type: string): type is LayerType {
  return type === 'full_attention' || type === 'sliding_attention';
}

/** What each layer attends to. */
function parseLayerTypes(raw: RawConfig, family: Family, numLayers: number): LayerType[] {
  const window = family.slidingWindow(raw);
  const types = raw.strings('layer_types');
  if (!types) {
    const isWindowed = (layer: number): boolean => window !== undefined && family.isWindowed(layer, raw);
    return Array.from({ length: numLayers }, (_, layer) =>
      isWindowed(layer) ? 'sliding_attention' : 'full_attention',
    );
  }
  if (!types.every(isLayerType)) throw raw.unsupported('layer_types', 'full_attention and sliding_attention');
  checks.expect(
    types.length === numLayers,
    'ERR_SHAPE',
    'config.json: layer_types',
    `one for each of ${numLayers} layers`,
    types.length,
  );
  if (types.includes('sliding_attention') && window === undefined) {
    throw raw.unsupported('layer_types', 'full_attention, as there is no sliding_window');
  }
  return types;
}

/** The rotary embedding of each layer. Those of one type share one object. */
function parseRopes(
  raw: RawConfig,
  family: Family,
  headSize: number,
  layerTypes: readonly LayerType[],
): (RopeConfig | undefined)[] {
  const ropes = new Map<LayerType, RopeConfig | undefined>();
  return layerTypes.map((layerType, layer) => {
    if (!family.isRotated(layer, layerType, raw)) return undefined;
    if (!ropes.has(layerType)) ropes.set(layerType, family.rope?.(raw, { headSize, layerType }));
    return ropes.get(layerType);
  });
}

/** The longest context that a rotary embedding is served for: beyond, it would change with the length of the sequence. */
function servedPositions(rope: RopeConfig | undefined): number {
  const changes = rope?.scaling.type === 'dynamic' || rope?.scaling.type === 'longrope';
  return changes ? rope.scaling.originalMaxPositions : Infinity;
}

function within(key: string, value: number): number {
  checks.integer(`config.json: ${key}`, value, 1, MAX_COLUMNS);
  return value;
}

function parseMlp(raw: RawConfig, family: Family, hiddenSize: number): MlpConfig {
  const { gated } = family.mlp;
  const activation = family.mlp.activation(raw);
  if (gated && activation === 'relu2')
    throw raw.unsupported('hidden_act', 'silu or gelu, as there is a gate');
  return {
    gated,
    activation,
    bias: family.mlp.bias(raw),
    intermediateSize: within('intermediate_size', family.mlp.intermediateSize(raw, hiddenSize)),
  };
}

function parseMoe(raw: RawConfig, family: Family, numLayers: number): MoeConfig | undefined {
  const { moe } = family;
  if (!moe) return undefined;
  const activation = family.mlp.activation(raw);
  if (activation === 'relu2') throw raw.unsupported('hidden_act', 'silu or gelu, as there is a gate');
  const numExperts = size(raw, ['num_local_experts', 'num_experts'], MAX_PARTS);
  const numExpertsPerToken = size(raw, ['num_experts_per_tok']);
  checks.integer('config.json: num_experts_per_tok', numExpertsPerToken, 1, numExperts);
  return {
    numExperts,
    numExpertsPerToken,
    activation,
    intermediateSize: within('moe_intermediate_size', moe.intermediateSize(raw)),
    renormalize: moe.renormalize(raw),
    layers: Array.from({ length: numLayers }, (_, layer) => moe.isSparse(layer, raw)),
  };
}
