import type { RopeConfig, RopeScaling } from './model_config.ts';
import { RawConfig } from './raw_config.ts';

type ScalingType = RopeScaling['type'];

/** What a scaling is read from: the object of the rotary embedding, and the config.json around it. */
interface Sources {
  rope: RawConfig;
  raw: RawConfig;
  rotaryDim: number;
}

const ORIGINAL = 'original_max_position_embeddings';

const maxPositions = (raw: RawConfig): number => raw.integer('max_position_embeddings');

/** The longest context before it was stretched. Phi-3 has it beside the object instead of in it. */
function originalMaxPositions({ rope, raw }: Sources): number {
  return rope.integer(ORIGINAL, raw.integer(ORIGINAL, maxPositions(raw)));
}

const scalings: Record<ScalingType, (sources: Sources) => RopeScaling> = {
  default: () => ({ type: 'default' }),
  linear: ({ rope }) => ({ type: 'linear', factor: rope.number('factor') }),
  llama3: (sources) => ({
    type: 'llama3',
    factor: sources.rope.number('factor'),
    lowFrequencyFactor: sources.rope.number('low_freq_factor'),
    highFrequencyFactor: sources.rope.number('high_freq_factor'),
    originalMaxPositions: originalMaxPositions(sources),
  }),
  yarn: parseYarn,
  dynamic: (sources) => ({ type: 'dynamic', originalMaxPositions: originalMaxPositions(sources) }),
  longrope: parseLongrope,
};

/** @see YaRN, Peng et al. 2023; transformers: `_compute_yarn_parameters`. */
function parseYarn(sources: Sources): RopeScaling {
  const { rope, raw } = sources;
  const original = originalMaxPositions(sources);
  const factor = rope.number('factor', maxPositions(raw) / original);
  const scaleOf = (mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const [mscale, mscaleAllDim] = ['mscale', 'mscale_all_dim'].map((name) => rope.anyNumber(name) ?? 0);
  const computed = mscale && mscaleAllDim ? scaleOf(mscale) / scaleOf(mscaleAllDim) : scaleOf(1);
  return {
    type: 'yarn',
    factor,
    betaFast: rope.number('beta_fast', 32),
    betaSlow: rope.number('beta_slow', 1),
    originalMaxPositions: original,
    truncate: rope.boolean('truncate', true),
    attentionFactor: rope.number('attention_factor', computed),
  };
}

/** @see LongRoPE, Ding et al. 2024; transformers: `_compute_longrope_parameters`. */
function parseLongrope(sources: Sources): RopeScaling {
  const { rope, raw, rotaryDim } = sources;
  const original = originalMaxPositions(sources);
  const factor =
    raw.has(ORIGINAL) || !rope.has('factor') ? maxPositions(raw) / original : rope.number('factor');
  const computed = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original));
  return {
    type: 'longrope',
    shortFactors: rope.numbers('short_factor', rotaryDim / 2),
    originalMaxPositions: original,
    attentionFactor: rope.number('attention_factor', computed),
  };
}

/** Names of the scaling, with those that only older files have. */
const types: Readonly<Record<string, ScalingType>> = {
  ...(Object.fromEntries(Object.keys(scalings).map((name) => [name, name])) as Record<string, ScalingType>),
  su: 'longrope',
  mrope: 'default', // its sections tell images' positions apart: those of text are all the same
};

/** What a family's rotary embedding has of its own. */
export interface RopeOptions {
  /** Size of a head. */
  headSize: number;
  /** Type of the layer, of which `rope_parameters` may hold an object each. */
  layerType: string;
  /** Pairs are neighbours. */
  interleaved?: boolean;
  /** The family may rotate a part of each head; the others ignore the factor, or have another idea of it. */
  isPartial?: boolean;
}

/** How many elements of a head rotate. */
function parseRotaryDim(rope: RawConfig, raw: RawConfig, headSize: number, isPartial: boolean): number {
  const names = ['partial_rotary_factor', 'rotary_pct'];
  for (const config of [rope, raw]) {
    const name = names.find((candidate) => config.has(candidate));
    if (name === undefined) continue;
    const factor = config.number(name);
    const rotaryDim = Math.floor(headSize * factor);
    if (factor !== 1 && !isPartial) throw config.unsupported(name, '1');
    if (rotaryDim > headSize || rotaryDim % 2 !== 0 || rotaryDim === 0) {
      throw config.unsupported(name, `an even part of head_dim ${headSize}`);
    }
    return rotaryDim;
  }
  return headSize;
}

/**
 * Rotary embedding of a config.json: `rope_parameters` as transformers 5 writes it, of all layers or of each layer type,
 * or `rope_theta` and `rope_scaling` as earlier versions do. Of both objects, transformers 5 takes `rope_scaling`.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` for another scaling.
 */
export function parseRope(raw: RawConfig, options: RopeOptions): RopeConfig {
  const { headSize, layerType, interleaved = false, isPartial = false } = options;
  const found = raw.object('rope_scaling', 'rope_parameters') ?? new RawConfig({});
  const rope = found.object(layerType) ?? found;
  const [nested] = rope.objects;
  if (nested !== undefined) throw rope.unsupported(nested, `an object for layers of type ${layerType}`);
  const typeName = rope.has('rope_type') ? 'rope_type' : 'type';
  const type = rope.string(typeName, 'default');
  if (!Object.hasOwn(types, type)) {
    throw rope.unsupported(typeName, `one of ${Object.keys(scalings).join(', ')}`);
  }
  const rotaryDim = parseRotaryDim(rope, raw, headSize, isPartial);
  const theta = (rope.has('rope_theta') ? rope : raw).number(['rope_theta', 'rotary_emb_base']);
  return { theta, scaling: scalings[types[type]]({ rope, raw, rotaryDim }), rotaryDim, interleaved };
}
