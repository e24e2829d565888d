import { Checks } from '@attention-js/core';
import { summarize } from '../summarize.ts';

/** How the next token is chosen from the logits. */
export interface SamplingOptions {
  /** Divides the logits; 0 takes the likeliest token (greedy). Default: the model's, else 0. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. Default: the model's, else 0. */
  topK?: number;
  /** Keep the likeliest tokens that together have this probability, in (0, 1]. Default: the model's, else 1. */
  topP?: number;
  /** Keep tokens at least this probable relative to the likeliest, in [0, 1]. Default: the model's, else 0. */
  minP?: number;
  /** Divides positive and multiplies negative logits of tokens of the prompt or the text so far. Default: 1, none. */
  repetitionPenalty?: number;
  /** Subtracted from the logits of tokens generated so far. Default: 0. */
  presencePenalty?: number;
  /** Subtracted from the logits of tokens generated so far, once for each time. Default: 0. */
  frequencyPenalty?: number;
}

/** What one call of {@link Engine.generate} may set. */
export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate. Default: as many as the model's context and the cache hold. */
  maxTokens?: number;
  /** Seed of the noise, any int32: equal requests with equal seeds give equal texts. Default: a random one. */
  seed?: number;
  /** Texts that end the generation; they are not part of the result. */
  stop?: string | readonly string[];
  /** Tokens that end the generation, besides the model's own. */
  stopTokens?: readonly number[];
  /** Go on after the model's own end tokens. Default: false. */
  ignoreEos?: boolean;
  /** Variables of the model's chat template, e.g. `{ enable_thinking: false }`, for a prompt that is messages. */
  templateVariables?: Record<string, unknown>;
  /** Requests share cached prefixes only with requests of the same salt. Default: all share. */
  salt?: string;
  /** Aborts the generation, which then ends with finish reason `abort`. */
  signal?: AbortSignal;
}

/** Checked sampling options with nothing left out. */
export type SamplingParameters = Readonly<Required<SamplingOptions>> & { readonly seed: number };

const MAX_INT32 = 2 ** 31 - 1;

const checks = new Checks('generate');

/**
 * Checks what types check in TypeScript, and the tokens that stop; the other values are checked where they are used.
 *
 * @throws AttentionError `ERR_DTYPE` for a value of the wrong kind, `ERR_UNSUPPORTED` for an option that does not exist,
 * `ERR_RANGE` for a stop token that does not exist.
 */
export function checkGenerateOptions(options: GenerateOptions): void {
  checks.keys('options', options, GENERATE_OPTIONS);
  const { stopTokens = [], ignoreEos = false, templateVariables = {}, salt = '', signal } = options;
  const kind = (name: keyof GenerateOptions, valid: boolean, expected: string) =>
    checks.expect(valid, 'ERR_DTYPE', name, expected, summarize(options[name]));
  kind('salt', typeof salt === 'string', 'a string');
  kind('ignoreEos', typeof ignoreEos === 'boolean', 'true or false');
  const isObject = typeof templateVariables === 'object' && !Array.isArray(templateVariables);
  kind('templateVariables', isObject && templateVariables !== null, 'an object');
  kind('signal', signal === undefined || isAbortSignal(signal), 'an AbortSignal');
  kind('stopTokens', Array.isArray(stopTokens), 'a list of token ids');
  stopTokens.forEach((token, i) => checks.integer(`stopTokens[${i}]`, token, 0));
}

/** By its shape: there are signals of other realms and of polyfills. */
function isAbortSignal(value: Partial<AbortSignal> | null): boolean {
  return typeof value?.aborted === 'boolean' && typeof value.addEventListener === 'function';
}

/** Ranges of the options that are numbers; kernels compute with all but `topK` in float32. */
const RANGES: Record<keyof SamplingOptions, { expected: string; valid: (value: number) => boolean }> = {
  temperature: { expected: 'a float32 >= 0', valid: (value) => isFloat32(value) && value >= 0 },
  topK: {
    expected: 'an integer >= 0 and <= 2147483647',
    valid: (value) => value === (value | 0) && value >= 0,
  },
  topP: { expected: 'a float32 in (0, 1]', valid: (value) => isFloat32(value) && value > 0 && value <= 1 },
  minP: { expected: 'a float32 in [0, 1]', valid: (value) => isFloat32(value) && value >= 0 && value <= 1 },
  repetitionPenalty: { expected: 'a float32 > 0', valid: (value) => isFloat32(value) && value > 0 },
  presencePenalty: { expected: 'a float32', valid: (value) => isFloat32(value) },
  frequencyPenalty: { expected: 'a float32', valid: (value) => isFloat32(value) },
};

const SAMPLING_OPTIONS = Object.keys(RANGES) as (keyof SamplingOptions)[];

const GENERATE_OPTIONS = [
  ...Object.keys({
    maxTokens: true,
    seed: true,
    stop: true,
    stopTokens: true,
    ignoreEos: true,
    templateVariables: true,
    salt: true,
    signal: true,
  } satisfies Record<Exclude<keyof GenerateOptions, keyof SamplingOptions>, true>),
  ...SAMPLING_OPTIONS,
];

/** Whether a number stays what it is in float32, but for rounding: neither infinite, nor 0 without being 0. */
function isFloat32(value: number): boolean {
  const rounded = Math.fround(value);
  return Number.isFinite(rounded) && (rounded !== 0 || value === 0);
}

/**
 * Checks an object of sampling options.
 *
 * @param argument Name of the object in errors.
 * @throws AttentionError `ERR_DTYPE` if it is not an object, `ERR_UNSUPPORTED` for an option that does not exist, `ERR_RANGE`
 * for a value outside its range.
 */
export function checkSamplingOptions(at: Checks, argument: string, options: SamplingOptions): void {
  at.keys(argument, options, SAMPLING_OPTIONS);
  checkRanges(at, `${argument}.`, options);
}

function checkRanges(at: Checks, prefix: string, options: SamplingOptions): void {
  for (const name of SAMPLING_OPTIONS) {
    const value: unknown = options[name];
    const { expected, valid } = RANGES[name];
    const isValid = value === undefined || (typeof value === 'number' && valid(value));
    at.expect(isValid, 'ERR_RANGE', prefix + name, expected, summarize(value));
  }
}

/**
 * Checks the sampling options of a request and fills in what is left out.
 *
 * @param defaults Checked options; the request's own override them.
 * @throws AttentionError `ERR_RANGE` for a value outside its range.
 */
export function samplingParameters(
  options: SamplingOptions & { seed?: number },
  defaults: SamplingOptions,
): SamplingParameters {
  checkRanges(checks, '', options);
  const {
    temperature = 0,
    topK = 0,
    topP = 1,
    minP = 0,
    repetitionPenalty = 1,
    presencePenalty = 0,
    frequencyPenalty = 0,
    seed = Math.floor(Math.random() * MAX_INT32),
  } = { ...defaults, ...withoutUndefined(options) };
  checks.integer('seed', seed, -(2 ** 31), MAX_INT32);
  return { temperature, topK, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty, seed };
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
