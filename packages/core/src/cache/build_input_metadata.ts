import { tensor1d, tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { Checks, countOf, describe } from '../checks.ts';
import { assignStorage } from '../ops/assign_storage.ts';
import type { MetadataTensorName, StepMetadata } from './input_metadata.ts';

/** What one sequence does in a step. */
export interface ScheduledSequence {
  /** `[queryLength]` slots of this step's tokens, of `BlockManager.slots` or `append`; −1 stores nothing. */
  slots: ArrayLike<number>;
  /** The sequence's blocks, `BlockManager.blockTable`; those past the context may be left out. */
  blockTable: ArrayLike<number>;
  /** Tokens in the cache after this step's writes. */
  contextLength: number;
  /** Tokens of this step: a prefill chunk, or 1 for a decode. */
  queryLength: number;
}

/** Sizes of a step's metadata. */
export interface MetadataShape {
  /** Tokens of the step, T. */
  tokens: number;
  /** Sequences, S. */
  sequences: number;
  /** Blocks per sequence: columns of the block tables. */
  maxBlocks: number;
}

/** Options of {@link buildInputMetadata}. */
export interface BuildInputMetadataOptions {
  /** Metadata of an earlier step to refill in place, its shapes kept, instead of making new tensors. */
  into?: StepMetadata;
  /** Makes tensors of these sizes, so that they can be refilled by other steps. Default: what the step needs. */
  shape?: MetadataShape;
}

const checks = new Checks('buildInputMetadata');

/**
 * Makes the metadata of one step out of what is scheduled. The caller disposes it: `disposeInputMetadata`.
 *
 * With `into` or `shape` the tensors may be larger than the step needs. Padding tokens have slot −1 and position 0, and
 * lie past the last entry of `cuSeqlensQ`; padding sequences have context length 0 and no query tokens.
 *
 * @param scheduled Sequences in the order in which their tokens are in the step.
 * @returns New metadata; or that of `into`, refilled.
 * @throws AttentionError `ERR_SHAPE` when numbers of slots and query tokens differ, or the step is larger than `into` or
 * `shape`; `ERR_RANGE` for a slot below −1, a length that is negative or larger than the context. Nothing is written then.
 */
export function buildInputMetadata(
  scheduled: readonly ScheduledSequence[],
  { into, shape }: BuildInputMetadataOptions = {},
): StepMetadata {
  const needed = checkScheduled(scheduled);
  const sizes = into ? sizesOf(into) : (shape ?? needed);
  checkFits(needed, sizes);
  const values = fill(scheduled, sizes);
  const { length } = scheduled;
  const hints = {
    isPrefill: scheduled.some(({ queryLength }) => queryLength > 1),
    maxSeqlenQ: length === 0 ? 0 : Math.max(...scheduled.map(({ queryLength }) => queryLength)),
    maxSeqlenK: needed.maxContext,
    maxContextLen: needed.maxContext,
  };
  if (!into) return { ...makeTensors(values, sizes), ...hints };
  for (const name of Object.keys(values) as MetadataTensorName[]) assignStorage(into[name], values[name]);
  return Object.assign(into, hints);
}

interface NeededShape extends MetadataShape {
  maxContext: number;
}

function checkScheduled(scheduled: readonly ScheduledSequence[]): NeededShape {
  const isList = Array.isArray(scheduled);
  checks.expect(isList, 'ERR_DTYPE', 'scheduled', 'an array of sequences', describe(scheduled));
  const needed = { tokens: 0, sequences: scheduled.length, maxBlocks: 1, maxContext: 0 };
  scheduled.forEach(({ slots, blockTable, contextLength, queryLength }, i) => {
    checks.integer(`scheduled[${i}].contextLength`, contextLength, 0, 2 ** 31 - 1);
    checks.integer(`scheduled[${i}].queryLength`, queryLength, 0, contextLength);
    const expected = `${countOf(queryLength, 'slot')}, one per query token`;
    const count = slots.length;
    checks.expect(count === queryLength, 'ERR_SHAPE', `scheduled[${i}].slots`, expected, count);
    checkIntegers(`scheduled[${i}].slots`, slots, -1);
    checkIntegers(`scheduled[${i}].blockTable`, blockTable, -1);
    needed.tokens += queryLength;
    needed.maxBlocks = Math.max(needed.maxBlocks, blockTable.length);
    needed.maxContext = Math.max(needed.maxContext, contextLength);
  });
  return needed;
}

function checkIntegers(argument: string, values: ArrayLike<number>, minimum: number): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value !== (value | 0) || value < minimum)
      checks.integer(`${argument}[${i}]`, value, minimum, 2 ** 31 - 1);
  }
}

function sizesOf(into: StepMetadata): MetadataShape {
  const { slotMapping, contextLens, blockTables, positions, cuSeqlensQ, cuSeqlensK } = into;
  const tensors = { slotMapping, contextLens, blockTables, positions, cuSeqlensQ, cuSeqlensK };
  for (const [name, tensor] of Object.entries(tensors)) checks.tensor(`into.${name}`, tensor);
  const [tokens, sequences, maxBlocks] = [slotMapping.size, contextLens.size, blockTables.shape[1]];
  checks.shape('into.blockTables', blockTables, [sequences, 'maxBlocks'], ': one row per sequence');
  checks.shape('into.positions', positions, [tokens], ' to match slotMapping');
  checks.shape('into.cuSeqlensQ', cuSeqlensQ, [sequences + 1], ': sequences + 1');
  checks.shape('into.cuSeqlensK', cuSeqlensK, [sequences + 1], ': sequences + 1');
  return { tokens, sequences, maxBlocks };
}

function checkFits(needed: MetadataShape, sizes: MetadataShape): void {
  for (const name of ['tokens', 'sequences', 'maxBlocks'] as const) {
    checks.integer(`shape.${name}`, sizes[name], 0);
    const fits = needed[name] <= sizes[name];
    checks.expect(fits, 'ERR_SHAPE', 'scheduled', `at most ${sizes[name]} ${name}`, describe(needed[name]));
  }
}

/** The step's numbers by tensor. */
function fill(
  scheduled: readonly ScheduledSequence[],
  { tokens, sequences, maxBlocks }: MetadataShape,
): Record<MetadataTensorName, Int32Array> {
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
  return { slotMapping, positions, contextLens, cuSeqlensQ, cuSeqlensK, blockTables };
}

function makeTensors(
  values: Record<MetadataTensorName, Int32Array>,
  { sequences, maxBlocks }: MetadataShape,
): Record<Exclude<MetadataTensorName, 'blockTables'>, Tensor1D> & { blockTables: Tensor2D } {
  const { slotMapping, positions, contextLens, cuSeqlensQ, cuSeqlensK, blockTables } = values;
  return tidy(() => ({
    slotMapping: tensor1d(slotMapping, 'int32'),
    positions: tensor1d(positions, 'int32'),
    contextLens: tensor1d(contextLens, 'int32'),
    cuSeqlensQ: tensor1d(cuSeqlensQ, 'int32'),
    cuSeqlensK: tensor1d(cuSeqlensK, 'int32'),
    blockTables: tensor2d(blockTables, [sequences, maxBlocks], 'int32'),
  }));
}
