import type { StorageType } from '@attention-js/core';
import type { CausalLM } from './causal_lm.ts';

/** Options of {@link loadModel}. */
export interface LoadModelOptions {
  /** Storage type of weights and cache. `auto` (default): as in the file, but `float32` on tfjs's `cpu`. */
  storage?: StorageType | 'auto';
  /** Called with 0 to 1 as weights arrive. */
  onProgress?: (fraction: number) => void;
}

/** Loads a model from a local Hugging Face folder: `config.json` and safetensors. */
export async function loadModel(directory: string, _options: LoadModelOptions = {}): Promise<CausalLM> {
  throw new Error(`not yet: ${directory}`);
}
