import type { CpuTensor } from '../cpu_kernel.ts';
import { decodeBlocks } from '../storage/storage_bytes.ts';
import { storageByteLength } from '../storage/storage_types.ts';

/** Number of rows that a {@link WeightRows} holds decoded at a time. */
const DECODED_ROWS = 4;

/** Access to the rows of a weight as numbers. */
export interface WeightRows {
  /** The values that {@link locate} points into. */
  readonly values: Float32Array | Int32Array;
  /** The start of row `row` in `values`, valid until `slot` is used for another row. */
  locate(this: void, row: number, slot: number): number;
}

/**
 * Makes access to the rows of a weight `[.., columns]`. Rows of a block type are decoded on demand, each to one of
 * {@link DECODED_ROWS} slots, so that a product reads packed bytes and needs no memory for the whole decoded weight.
 */
export function weightRows({ shape, values, blocks }: CpuTensor): WeightRows {
  const columns = shape.at(-1) ?? 1;
  if (!blocks) return { values, locate: (row) => row * columns };
  const { bytes, storage } = blocks;
  const rowBytes = storageByteLength(storage, columns);
  const decoded = new Float32Array(DECODED_ROWS * columns);
  const rows = new Int32Array(DECODED_ROWS).fill(-1);
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
