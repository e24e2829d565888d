export { Engine } from './engine.ts';
export type { EngineLoadOptions } from './engine.ts';
export type { EngineLimits, EngineOptions } from './engine_options.ts';
export type { EngineStats } from './engine_stats.ts';
export type { GenerateOptions, SamplingOptions } from './generate_options.ts';
export type { FinishReason, GenerationResult, GenerationStream } from './generation_stream.ts';
export type { Prompt } from './prompt.ts';
