import type { AttentionConfig, MlpConfig, NormConfig, NormPlacement, RopeConfig } from './model_config.ts';
import type { RawConfig } from './raw_config.ts';
import type { RopeOptions } from './rope_config.ts';

/** What a layer attends to, in config.json's words. */
export type LayerType = 'full_attention' | 'sliding_attention';

/** Reads a layer's rotary embedding. */
export type RopeParser = (raw: RawConfig, options: RopeOptions) => RopeConfig;

/**
 * What a family's decoders have of their own. Each is read from config.json, so that a family is a row of
 * `families` and no code: the same parts build all of them.
 */
export interface Family {
  /** What transformers takes for keys that config.json lacks. How wide and deep a model is has no default. */
  defaults: Readonly<Record<string, unknown>>;
  /** Throws for an option that is not served. */
  check?: (raw: RawConfig) => void;
  embeddingScale?: (raw: RawConfig) => number;
  residualScale?: (raw: RawConfig) => number;
  logitScale?: (raw: RawConfig) => number;
  embeddingNorm: boolean;
  normPlacement: (raw: RawConfig) => NormPlacement;
  norm: Omit<NormConfig, 'epsilon'>;
  /** The key of config.json that has the norms' epsilon. */
  epsilonKey: string;
  rope?: RopeParser;
  /** Whether a layer has the rotary embedding. */
  isRotated: (layer: number, layerType: LayerType, raw: RawConfig) => boolean;
  alibi: boolean;
  /** Multiplies query · key. */
  scale: (raw: RawConfig, headSize: number) => number;
  attentionSoftcap?: (raw: RawConfig) => number | undefined;
  logitSoftcap?: (raw: RawConfig) => number | undefined;
  slidingWindow: (raw: RawConfig) => number | undefined;
  /** Whether a layer has the window, if config.json does not list the layers' types. */
  isWindowed: (layer: number, raw: RawConfig) => boolean;
  queryKeyNorm?: AttentionConfig['queryKeyNorm'];
  qkvBias: (raw: RawConfig) => boolean;
  outputBias: (raw: RawConfig) => boolean;
  headBias: boolean;
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
