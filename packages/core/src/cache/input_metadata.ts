import { dispose } from '@tensorflow/tfjs-core';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';

/**
 * Describes the tokens of a step: which sequence they belong to, where they are stored, and which keys they attend to.
 * Made once per step by {@link buildInputMetadata} and shared by all layers; or made by hand, with the fields that the
 * layer's call needs.
 *
 * All tensors are int32. T = tokens of the step, S = sequences.
 */
export interface InputMetadata {
  /** Whether sequences may have several query tokens if there is no `cuSeqlensQ`. */
  isPrefill: boolean;
  /** `[T]` slots to which keys and values are written; −1 stores nothing. Needed with a cache. */
  slotMapping?: Tensor;
  /** `[S, maxBlocks]` cache blocks of each sequence. Needed with a cache. */
  blockTables?: Tensor;
  /** `[S]` tokens of each sequence in the cache, including this step's. Needed with a cache. */
  contextLens?: Tensor;
  /**
   * `[S + 1]` start of each sequence's query tokens, from 0; tokens past the last entry are padding. Absent in a step
   * of decodes.
   */
  cuSeqlensQ?: Tensor;
  /** `[S + 1]` start of each sequence's packed keys, without a cache. */
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

/** {@link InputMetadata} of a step with a paged cache: everything except, in a step of decodes, `cuSeqlensQ`. */
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
