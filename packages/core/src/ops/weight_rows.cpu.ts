import type { CpuTensor } from '../cpu_kernel.ts';
import { decodeBlocks } from '../storage/storage_bytes.ts';
import { storageByteLength } from '../storage/storage_types.ts';

/** Slots of a {@link WeightRows}: rows that are at hand at a time. */
export const ROWS_AT_HAND = 4;

/** The rows of a weight as numbers. */
export interface WeightRows {
  /** Where {@link locate} finds rows. */
  readonly values: Float32Array | Int32Array;
  /** Where row `row` starts in `values`, until `slot` is used for another row. */
  locate(this: void, row: number, slot: number): number;
}

/**
 * The rows of a weight `[.., columns]`. Those of a block type are decoded as they are asked for, each to one of
 * {@link ROWS_AT_HAND} slots, so that a product reads packed bytes and needs no memory for the whole weight.
 */
export function weightRows({ shape, values, blocks }: CpuTensor): WeightRows {
  const columns = shape.at(-1) ?? 1;
  if (!blocks) return { values, locate: (row) => row * columns };
  const { bytes, storage } = blocks;
  const rowBytes = storageByteLength(storage, columns);
  const decoded = new Float32Array(ROWS_AT_HAND * columns);
  const rows = new Int32Array(ROWS_AT_HAND).fill(-1);
  return {
    values: decoded,
    locate(row, slot) {
      if (rows[slot] !== row) {
        decodeBlocks(bytes, row * rowBytes, storage, decoded, slot * columns, columns);
        rows[slot] = row;
      }
      return slot * columns;
    },
  };
}
