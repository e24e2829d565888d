import { AttentionError, Checks, ELEMENT_STORAGE_TYPES } from '@attention-js/core';
import type { ElementStorage } from '@attention-js/core';
import { engine } from '@tensorflow/tfjs-core';
import type { ModelConfig } from '../config/model_config.ts';
import { parseConfig } from '../config/parse_config.ts';
import { parseJson } from '../parse_json.ts';
import { readOptionalText } from '../read_optional_text.ts';
import { Checkpoint } from '../safetensors/checkpoint.ts';
import type { TensorEntry } from '../safetensors/header.ts';
import { summarize } from '../summarize.ts';
import type { CausalLM } from './causal_lm.ts';
import { Decoder } from './decoder.ts';
import { weightNames } from './weight_names.ts';
import type { WeightNames } from './weight_names.ts';
import { fileStorage } from './weight_entries.ts';
import { WeightCheck, Weights } from './weights.ts';

/** Every option of {@link loadModel}. */
export const LOAD_MODEL_OPTIONS = Object.keys({
  storage: true,
  onProgress: true,
} satisfies Record<keyof LoadModelOptions, true>);

const checks = new Checks('loadModel');

const CONFIG_FILE = 'config.json';

/** Options of {@link loadModel}. */
export interface LoadModelOptions {
  /**
   * Storage type of weights, activations and cache. `auto` (default): as in the file, but `float32` on tfjs's `cpu`,
   * which computes nothing faster in half precision.
   */
  storage?: ElementStorage | 'auto';
  /** Called with 0 first, then with the fraction of the weights that was read, and with 1 at the end. */
  onProgress?: (fraction: number) => void;
}

/**
 * Loads a model to the active tfjs backend from a local Hugging Face folder: `config.json`, and `model.safetensors` or the
 * files of `model.safetensors.index.json`. Weights are read by ranges, tensor by tensor.
 *
 * @param directory The folder.
 * @returns The model; `dispose()` frees its weights.
 * @throws AttentionError `ERR_UNSUPPORTED` for a family, option, dtype or tensor that is not served; `ERR_RANGE` for a
 * file or tensor that is missing; `ERR_SHAPE`, `ERR_DTYPE` and `ERR_RANGE` for files that contradict themselves or each
 * other. Nothing stays loaded then.
 */
export async function loadModel(directory: string, options: LoadModelOptions = {}): Promise<CausalLM> {
  checks.keys('options', options, LOAD_MODEL_OPTIONS);
  const { storage = 'auto', onProgress = () => {} } = options;
  checks.oneOf('storage', storage, ['auto', ...ELEMENT_STORAGE_TYPES]);
  checks.expect(
    typeof onProgress === 'function',
    'ERR_DTYPE',
    'onProgress',
    'a function',
    summarize(onProgress),
  );
  const config = await readConfig(directory);
  const checkpoint = await Checkpoint.open(directory);
  try {
    const names = locateNames(checkpoint, weightNames(config.family));
    const chosen = storage === 'auto' ? automaticStorage(checkpoint, names) : storage;
    await checkWeights(new WeightCheck(checkpoint, chosen), config, names);
    const weights = new Weights(checkpoint, chosen, onProgress);
    try {
      onProgress(0);
      const model = await Decoder.load(weights, config, names);
      weights.finish();
      return model;
    } catch (error) {
      weights.dispose();
      throw error;
    }
  } finally {
    await checkpoint.close();
  }
}

async function readConfig(directory: string): Promise<ModelConfig> {
  const text = await readOptionalText(directory, CONFIG_FILE);
  if (text === undefined) {
    const message = `[loadModel] ${directory}: expected a folder with ${CONFIG_FILE}, received none`;
    throw new AttentionError('ERR_RANGE', message);
  }
  return parseConfig(parseJson(text, CONFIG_FILE));
}

/** Where multimodal checkpoints have their decoder, and its head, by the versions of transformers that wrote them. */
const MULTIMODAL: readonly Pick<WeightNames, 'base' | 'head'>[] = [
  { base: 'model.language_model.', head: 'lm_head' },
  { base: 'language_model.model.', head: 'language_model.lm_head' },
];

/** The names as the checkpoint has them. Those of the decoder alone, without a head, leave the prefix out. */
function locateNames(checkpoint: Checkpoint, names: WeightNames): WeightNames {
  const candidates = [names, { base: '' }, ...MULTIMODAL].map((place) => ({ ...names, ...place }));
  const isThere = ({ base, embedding }: WeightNames): boolean =>
    checkpoint.entry(`${base}${embedding}.weight`) !== undefined;
  return candidates.find(isThere) ?? names;
}

/** Makes the model without its weights, so that whatever does not fit is found before any of them is read. */
async function checkWeights(check: WeightCheck, config: ModelConfig, names: WeightNames): Promise<void> {
  try {
    await Decoder.load(check, config, names);
    check.finish((name) => isIgnored(name, names));
  } finally {
    check.dispose();
  }
}

function automaticStorage(checkpoint: Checkpoint, names: WeightNames): ElementStorage {
  const candidates = [`${names.base}${names.embedding}.weight`, `${names.head}.weight`];
  const name = candidates.find((candidate) => checkpoint.entry(candidate) !== undefined);
  const { backend, backendName } = engine(); // the getter of `backend` initializes it if nobody has
  if (!backend || backendName === 'cpu' || name === undefined) return 'float32';
  return fileStorage(name, checkpoint.entry(name) as TensorEntry);
}

/** Tensors that some checkpoints have and no decoder needs: what is computed anyway, and what reads images. */
function isIgnored(name: string, { base, head }: WeightNames): boolean {
  const isMultimodal = MULTIMODAL.some((place) => place.base === base);
  const isText = name.startsWith(base) || name.startsWith(`${head}.`);
  return name.endsWith('.rotary_emb.inv_freq') || (isMultimodal && !isText);
}
