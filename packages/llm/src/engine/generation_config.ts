import { parseJson } from '../parse_json.ts';
import { readOptionalText } from '../read_optional_text.ts';
import type { SamplingOptions } from './generate_options.ts';

/** How a model wants to be sampled, after its generation_config.json. */
export interface GenerationConfig {
  /** Tokens that end a text. */
  stopTokens: number[];
  /** Sampling options for requests that say nothing else. */
  sampling: SamplingOptions;
}

interface GenerationConfigJson {
  eos_token_id?: number | number[] | null;
  do_sample?: boolean;
  temperature?: number;
  top_k?: number;
  top_p?: number;
  min_p?: number;
  repetition_penalty?: number;
}

/** Normalises the content of a generation_config.json. Without `do_sample` the likeliest token is taken. */
export function generationConfig(json: GenerationConfigJson): GenerationConfig {
  const { temperature = 1, top_k: topK, top_p: topP, min_p: minP, repetition_penalty } = json;
  return {
    stopTokens: [json.eos_token_id ?? []].flat(),
    sampling: {
      ...(json.do_sample ? { temperature, topK, topP, minP } : {}),
      repetitionPenalty: repetition_penalty,
    },
  };
}

/** Reads generation_config.json of a model folder; without the file nothing is set. */
export async function loadGenerationConfig(directory: string): Promise<GenerationConfig> {
  const text = await readOptionalText(directory, 'generation_config.json');
  return generationConfig(text === undefined ? {} : (parseJson(text, 'generation_config.json') as object));
}
