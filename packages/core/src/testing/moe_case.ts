import * as tf from '@tensorflow/tfjs-core';
import type { Random } from './random.ts';

/** Random expert ids, `k` per token, such that expert `e` has `counts[e]` pairs. */
export function idsOf(random: Random, counts: number[], k: number): tf.Tensor2D {
  const experts = counts.flatMap((count, expert) => Array.from({ length: count }, () => expert));
  const shuffled = random.permutation(experts.length).map((i) => experts[i]);
  return tf.tensor2d(shuffled, [experts.length / k, k], 'int32');
}

/** Indices of the rows of `tensor` that are all NaN, and of those without NaN. */
export function nanRows(tensor: tf.Tensor): { all: number[]; none: number[] } {
  const rows = tensor.arraySync() as number[][];
  const rowsWhere = (holds: (row: number[]) => boolean) => rows.flatMap((row, i) => (holds(row) ? [i] : []));
  return {
    all: rowsWhere((row) => row.every(Number.isNaN)),
    none: rowsWhere((row) => !row.some(Number.isNaN)),
  };
}
