import { tensor1d, tensor2d, tidy } from '@tensorflow/tfjs-core';
import { Checks, countOf, describe } from '../checks.ts';
import { assignStorage } from '../ops/assign_storage.ts';
import { METADATA_TENSORS } from './input_metadata.ts';
import type { MetadataTensorName, StepMetadata, StepTensors } from './input_metadata.ts';
import { checkIntegerList } from './integer_list.ts';

/** The work of one sequence in a step. */
export interface ScheduledSequence {
  /** `[queryLength]` slots of this step's tokens, from `BlockManager.slots` or `append`; −1 stores nothing. */
  slots: ArrayLike<number>;
  /** The sequence's blocks, from `BlockManager.blockTable`; those past the context may be omitted. */
  blockTable: ArrayLike<number>;
  /** Tokens in the cache after this step's writes. */
  contextLength: number;
  /** Tokens of this step: a prefill chunk, or 1 for a decode. */
  queryLength: number;
}

/** Sizes of a step's metadata. */
export interface MetadataShape {
  /** Tokens of the step, T. If it equals `sequences`, the step consists of decodes. */
  tokens: number;
  /** Sequences, S. */
  sequences: number;
  /** Blocks per sequence, the columns of the block tables. */
  maxBlocks: number;
}

/** Options of {@link buildInputMetadata}. */
export interface BuildInputMetadataOptions {
  /** Metadata of an earlier step, to refill in place instead of making new tensors. Its shapes stay. */
  into?: StepMetadata;
  /** Sizes of the tensors, so that other steps can refill them. Default: what the step needs. */
  shape?: MetadataShape;
}

const OPTIONS = ['into', 'shape'] as const satisfies readonly (keyof BuildInputMetadataOptions)[];
const SHAPE = ['tokens', 'sequences', 'maxBlocks'] as const satisfies readonly (keyof MetadataShape)[];
const SCHEDULED = [
  'slots',
  'blockTable',
  'contextLength',
  'queryLength',
] as const satisfies readonly (keyof ScheduledSequence)[];

const MAX_INT32 = 2 ** 31 - 1;
/** Maximum elements per tensor: far more than any step needs, and not enough to exhaust memory. */
const MAX_ELEMENTS = 2 ** 28;

const checks = new Checks('buildInputMetadata');

/**
 * Makes the metadata of one step from its scheduled sequences. The caller disposes it: `disposeInputMetadata`.
 *
 * A step of decodes, in which every sequence has one query token, has no `cuSeqlensQ`: backends launch no prefill for
 * it.
 *
 * With `into` or `shape`, the tensors may be larger than the step needs. Padding sequences have context length 0;
 * padding tokens have slot −1 and position 0. In a step of decodes (`shape` with as many tokens as sequences), each
 * padding sequence has one padding token. In other steps, padding sequences have none, and padding tokens lie past the
 * last entry of `cuSeqlensQ`.
 *
 * @param scheduled Sequences, in the order of their tokens in the step.
 * @returns New metadata, or `into`, refilled.
 * @throws AttentionError `ERR_SHAPE` if the numbers of slots and query tokens differ, the step is larger than `into` or
 * `shape`, or `into` is for a step of decodes and `scheduled` is not; `ERR_RANGE` for a slot below −1 or a length that
 * is negative or larger than the context; `ERR_DTYPE` for a value of the wrong type; `ERR_UNSUPPORTED` for an unknown
 * option. Then nothing is written.
 */
export function buildInputMetadata(
  scheduled: readonly ScheduledSequence[],
  options: BuildInputMetadataOptions = {},
): StepMetadata {
  checks.keys('options', options, OPTIONS);
  const { into, shape } = options;
  const both = into !== undefined && shape !== undefined;
  checks.expect(!both, 'ERR_UNSUPPORTED', 'options', 'either into or shape', 'both');
  const needed = neededShape(scheduled);
  const sizes = into !== undefined ? sizesOf(into) : shape !== undefined ? checkedShape(shape) : needed;
  checkFits(needed, sizes);
  const areDecodes = scheduled.every(({ queryLength }) => queryLength === 1);
  const hasCuSeqlensQ = into
    ? into.cuSeqlensQ !== undefined
    : !areDecodes || sizes.tokens !== sizes.sequences;
  const expected = 'decodes, one query token per sequence, as into has no cuSeqlensQ';
  checks.expect(areDecodes || hasCuSeqlensQ, 'ERR_SHAPE', 'scheduled', expected, 'longer or empty queries');

  const values = fill(scheduled, sizes, hasCuSeqlensQ);
  const hints = {
    isPrefill: needed.maxQuery > 1,
    maxSeqlenQ: needed.maxQuery,
    maxSeqlenK: needed.maxContext,
    maxContextLen: needed.maxContext,
  };
  if (!into) return { ...makeTensors(values, sizes), ...hints };
  for (const name of METADATA_TENSORS) {
    const [tensor, newValues] = [into[name], values[name]];
    if (tensor && newValues) assignStorage(tensor, newValues);
  }
  return Object.assign(into, hints);
}

interface NeededShape extends MetadataShape {
  maxQuery: number;
  maxContext: number;
}

/** The smallest sizes for the step; throws for invalid sequences. */
function neededShape(scheduled: readonly ScheduledSequence[]): NeededShape {
  const isList = Array.isArray(scheduled);
  checks.expect(isList, 'ERR_DTYPE', 'scheduled', 'an array of sequences', describe(scheduled));
  const needed = { tokens: 0, sequences: scheduled.length, maxBlocks: 1, maxQuery: 0, maxContext: 0 };
  for (const [i, sequence] of scheduled.entries()) {
    checks.keys(`scheduled[${i}]`, sequence, SCHEDULED);
    const { slots, blockTable, contextLength, queryLength } = sequence;
    checks.integer(`scheduled[${i}].contextLength`, contextLength, 0, MAX_INT32);
    checks.integer(`scheduled[${i}].queryLength`, queryLength, 0, contextLength);
    checkIntegerList(checks, `scheduled[${i}].slots`, slots, -1);
    checkIntegerList(checks, `scheduled[${i}].blockTable`, blockTable, -1);
    const expected = `${countOf(queryLength, 'slot')}, one per query token`;
    const count = slots.length;
    checks.expect(count === queryLength, 'ERR_SHAPE', `scheduled[${i}].slots`, expected, count);
    needed.tokens += queryLength;
    needed.maxBlocks = Math.max(needed.maxBlocks, blockTable.length);
    needed.maxQuery = Math.max(needed.maxQuery, queryLength);
    needed.maxContext = Math.max(needed.maxContext, contextLength);
  }
  return needed;
}

function checkedShape(shape: MetadataShape): MetadataShape {
  checks.keys('shape', shape, SHAPE);
  for (const name of SHAPE) checks.integer(`shape.${name}`, shape[name], 0, MAX_ELEMENTS);
  const elements = shape.sequences * shape.maxBlocks;
  const expected = `sequences * maxBlocks <= ${MAX_ELEMENTS}`;
  checks.expect(elements <= MAX_ELEMENTS, 'ERR_RANGE', 'shape', expected, elements);
  return shape;
}

function sizesOf(into: StepMetadata): MetadataShape {
  checks.object('into', into);
  for (const name of METADATA_TENSORS) {
    if (name !== 'cuSeqlensQ' || into.cuSeqlensQ !== undefined) checks.tensor(`into.${name}`, into[name]);
  }
  const { slotMapping, contextLens, blockTables, positions, cuSeqlensQ, cuSeqlensK } = into;
  checks.shape('into.contextLens', contextLens, ['sequences']);
  checks.shape('into.slotMapping', slotMapping, ['tokens']);
  const [tokens, sequences, maxBlocks] = [slotMapping.size, contextLens.size, blockTables.shape[1]];
  checks.shape('into.blockTables', blockTables, [sequences, 'maxBlocks'], ': one row per sequence');
  checks.shape('into.positions', positions, [tokens], ' to match slotMapping');
  checks.shape('into.cuSeqlensK', cuSeqlensK, [sequences + 1], ': sequences + 1');
  if (cuSeqlensQ) checks.shape('into.cuSeqlensQ', cuSeqlensQ, [sequences + 1], ': sequences + 1');
  else checks.shape('into.slotMapping', slotMapping, [sequences], ': one per sequence without cuSeqlensQ');
  for (const name of METADATA_TENSORS) {
    const tensor = into[name];
    if (tensor) checks.dtype(`into.${name}`, tensor, 'int32');
  }
  return { tokens, sequences, maxBlocks };
}

function checkFits(needed: MetadataShape, sizes: MetadataShape): void {
  for (const name of SHAPE) {
    const fits = needed[name] <= sizes[name];
    checks.expect(fits, 'ERR_SHAPE', 'scheduled', `at most ${sizes[name]} ${name}`, describe(needed[name]));
  }
}

type MetadataValues = Record<Exclude<MetadataTensorName, 'cuSeqlensQ'>, Int32Array> & {
  cuSeqlensQ?: Int32Array;
};

/** The step's values, by tensor. */
function fill(
  scheduled: readonly ScheduledSequence[],
  { tokens, sequences, maxBlocks }: MetadataShape,
  hasCuSeqlensQ: boolean,
): MetadataValues {
  const slotMapping = new Int32Array(tokens).fill(-1);
  const positions = new Int32Array(tokens);
  const contextLens = new Int32Array(sequences);
  const cuSeqlensQ = new Int32Array(sequences + 1);
  const cuSeqlensK = new Int32Array(sequences + 1);
  const blockTables = new Int32Array(sequences * maxBlocks).fill(-1);
  let token = 0;
  let keys = 0;
  scheduled.forEach(({ slots, blockTable, contextLength, queryLength }, i) => {
    slotMapping.set(slots, token);
    blockTables.set(blockTable, i * maxBlocks);
    contextLens[i] = contextLength;
    for (let j = 0; j < queryLength; j++) positions[token + j] = contextLength - queryLength + j;
    cuSeqlensQ[i + 1] = token += queryLength;
    cuSeqlensK[i + 1] = keys += contextLength;
  });
  cuSeqlensQ.fill(token, scheduled.length + 1);
  cuSeqlensK.fill(keys, scheduled.length + 1);
  const values = { slotMapping, positions, contextLens, cuSeqlensK, blockTables };
  return hasCuSeqlensQ ? { ...values, cuSeqlensQ } : values;
}

function makeTensors(
  { blockTables, cuSeqlensQ, ...others }: MetadataValues,
  { sequences, maxBlocks }: MetadataShape,
): StepTensors {
  const { slotMapping, positions, contextLens, cuSeqlensK } = others;
  return tidy(() => ({
    slotMapping: tensor1d(slotMapping, 'int32'),
    positions: tensor1d(positions, 'int32'),
    contextLens: tensor1d(contextLens, 'int32'),
    cuSeqlensK: tensor1d(cuSeqlensK, 'int32'),
    blockTables: tensor2d(blockTables, [sequences, maxBlocks], 'int32'),
    ...(cuSeqlensQ && { cuSeqlensQ: tensor1d(cuSeqlensQ, 'int32') }),
  }));
}
