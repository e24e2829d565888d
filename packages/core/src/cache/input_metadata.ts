import { dispose } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';

/**
 * Which tokens of a step belong to which sequence, where they are stored, and what they see. Made once a step by
 * {@link buildInputMetadata} and shared by all layers; or by hand, with what the layer's call needs.
 *
 * All tensors are int32. T = tokens of the step, S = sequences.
 */
export interface InputMetadata {
  /** Whether sequences may have several query tokens where `cuSeqlensQ` does not say how many. */
  isPrefill: boolean;
  /** `[T]` slots that keys and values are written to; −1 stores nothing. Needed with a cache. */
  slotMapping?: Tensor;
  /** `[S, maxBlocks]` cache blocks of each sequence. Needed with a cache. */
  blockTables?: Tensor;
  /** `[S]` tokens of each sequence in the cache, this step's included. Needed with a cache. */
  contextLens?: Tensor;
  /** `[S + 1]` where each sequence's query tokens start, from 0; tokens past the last are padding. A step of decodes has none. */
  cuSeqlensQ?: Tensor;
  /** `[S + 1]` where each sequence's keys start when they are packed, without a cache. */
  cuSeqlensK?: Tensor;
  /** Hint: the longest query. */
  maxSeqlenQ?: number;
  /** Hint: the longest run of keys. */
  maxSeqlenK?: number;
  /** Hint: the longest context. */
  maxContextLen?: number;
  /** `[T]` position of each token in its sequence, for rotary embeddings; 0 for padding. */
  positions?: Tensor;
}

/** Names of the tensors of {@link StepMetadata}. */
export const METADATA_TENSORS = [
  'slotMapping',
  'positions',
  'contextLens',
  'cuSeqlensQ',
  'cuSeqlensK',
  'blockTables',
] as const satisfies readonly (keyof InputMetadata)[];

/** Name of a tensor of {@link StepMetadata}. */
export type MetadataTensorName = (typeof METADATA_TENSORS)[number];

/** The tensors of {@link StepMetadata}. */
export interface StepTensors {
  /** `[T]`. */
  slotMapping: Tensor1D;
  /** `[T]`. */
  positions: Tensor1D;
  /** `[S]`. */
  contextLens: Tensor1D;
  /** `[S + 1]`; `undefined` in a step of decodes. */
  cuSeqlensQ?: Tensor1D;
  /** `[S + 1]`. */
  cuSeqlensK: Tensor1D;
  /** `[S, maxBlocks]`. */
  blockTables: Tensor2D;
}

/** {@link InputMetadata} of a step over a paged cache: all of it, but for the `cuSeqlensQ` of a step of decodes. */
export type StepMetadata = Required<Omit<InputMetadata, MetadataTensorName>> & StepTensors;

/** Every property of {@link InputMetadata}. */
export const INPUT_METADATA: readonly string[] = [
  ...METADATA_TENSORS,
  ...Object.keys({
    isPrefill: true,
    maxSeqlenQ: true,
    maxSeqlenK: true,
    maxContextLen: true,
  } satisfies Record<Exclude<keyof InputMetadata, MetadataTensorName>, true>),
];

/** Disposes the tensors of a step's metadata. */
export function disposeInputMetadata(metadata: InputMetadata): void {
  for (const name of METADATA_TENSORS) dispose(metadata[name]);
}
