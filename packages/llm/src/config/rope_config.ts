import type { RopeConfig, RopeScaling } from './model_config.ts';
import { RawConfig } from './raw_config.ts';

type ScalingType = RopeScaling['type'];

const scalings: Record<ScalingType, (rope: RawConfig, raw: RawConfig) => RopeScaling> = {
  default: () => ({ type: 'default' }),
  linear: (rope) => ({ type: 'linear', factor: rope.number('factor') }),
  llama3: (rope, raw) => ({
    type: 'llama3',
    factor: rope.number('factor'),
    lowFrequencyFactor: rope.number('low_freq_factor'),
    highFrequencyFactor: rope.number('high_freq_factor'),
    originalMaxPositions: rope.integer(
      'original_max_position_embeddings',
      raw.integer('max_position_embeddings'),
    ),
  }),
};

/**
 * Rotary embedding of a config.json: `rope_parameters` as transformers 5 writes it, or `rope_theta` and `rope_scaling`
 * as earlier versions do. Of both objects, transformers 5 takes `rope_scaling`.
 *
 * @throws AttentionError `ERR_UNSUPPORTED` for another scaling, one that covers a part of the head, or one
 * of each layer type.
 */
export function parseRope(raw: RawConfig): RopeConfig {
  const rope = raw.object('rope_scaling', 'rope_parameters') ?? new RawConfig({});
  const [nested] = rope.objects;
  if (nested !== undefined) throw rope.unsupported(nested, 'the same rotary embedding in all layers');
  const typeName = rope.has('rope_type') ? 'rope_type' : 'type';
  const type = rope.string(typeName, 'default');
  if (!Object.hasOwn(scalings, type)) {
    throw rope.unsupported(typeName, `one of ${Object.keys(scalings).join(', ')}`);
  }
  for (const config of [rope, raw]) {
    if (config.number('partial_rotary_factor', 1) !== 1)
      throw config.unsupported('partial_rotary_factor', '1');
  }
  const theta = (rope.has('rope_theta') ? rope : raw).number('rope_theta');
  return { theta, scaling: scalings[type as ScalingType](rope, raw) };
}
