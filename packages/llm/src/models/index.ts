export type {
  AttentionConfig,
  GatedActivation,
  MlpConfig,
  ModelConfig,
  MoeConfig,
  NormConfig,
  NormPlacement,
  RopeConfig,
  RopeScaling,
} from '../config/model_config.ts';
export type { CacheShape, CausalLM, ModelInput } from './causal_lm.ts';
export { loadModel } from './load_model.ts';
export type { LoadModelOptions } from './load_model.ts';
