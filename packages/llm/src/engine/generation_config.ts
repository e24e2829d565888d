import { Checks } from '@attention-js/core';
import { RawConfig } from '../config/raw_config.ts';
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

const FILE = 'generation_config.json';
const MAX_INT32 = 2 ** 31 - 1;

const checks = new Checks('loadModel');

/**
 * Normalises the content of a generation_config.json. Null means absent, also as the whole file. Without `do_sample`
 * the likeliest token is taken; with it, `top_k` of 0 or below keeps all tokens.
 *
 * @throws AttentionError `ERR_DTYPE` for a value of another kind, `ERR_RANGE` for one outside its range, naming the key.
 */
export function generationConfig(json: unknown): GenerationConfig {
  const raw = new RawConfig(json ?? {}, FILE);
  const number = (key: string, expected: string, valid: (value: number) => boolean): number | undefined => {
    const value = raw.anyNumber(key);
    if (value === undefined) return undefined;
    const rounded = Math.fround(value); // what samples is float32
    checks.expect(
      Number.isFinite(rounded) && valid(rounded),
      'ERR_RANGE',
      `${FILE}: ${key}`,
      expected,
      value,
    );
    return value;
  };
  const isSampled = raw.boolean('do_sample', false);
  const sampling: SamplingOptions = {
    repetitionPenalty: number('repetition_penalty', 'a number > 0', (value) => value > 0),
  };
  if (isSampled) {
    sampling.temperature = number('temperature', 'a number >= 0', (value) => value >= 0) ?? 1;
    sampling.topK = topK(raw);
    sampling.topP = number('top_p', 'a number in (0, 1]', (value) => value > 0 && value <= 1);
    sampling.minP = number('min_p', 'a number in [0, 1]', (value) => value >= 0 && value <= 1);
  }
  return { stopTokens: raw.integers('eos_token_id', []), sampling };
}

function topK(raw: RawConfig): number | undefined {
  const value = raw.anyNumber('top_k');
  if (value === undefined) return undefined;
  const expected = `an integer up to ${MAX_INT32}`;
  const valid = Number.isInteger(value) && value <= MAX_INT32;
  checks.expect(valid, 'ERR_RANGE', `${FILE}: top_k`, expected, value);
  return Math.max(0, value);
}

/** Reads generation_config.json of a model folder; without the file nothing is set. */
export async function loadGenerationConfig(directory: string): Promise<GenerationConfig> {
  const text = await readOptionalText(directory, FILE);
  return generationConfig(text === undefined ? {} : parseJson(text, FILE));
}
