import type { Checks } from '../checks.ts';
import { describe, isDetached } from '../checks.ts';

/** The attribute that `copyBlocks` and `swapBlocks` share: which block is copied where. */
export interface BlockPairsAttributes {
  /** Source block, destination block, source block, … */
  pairs: Int32Array;
}

/** Checks that `pairs` lists existing (source, destination) blocks. */
export function checkBlockPairs(
  checks: Checks,
  pairs: Int32Array,
  sourceBlocks: number,
  destinationBlocks: number,
): void {
  const expected = 'an Int32Array of source, destination, source, …';
  checks.expect(pairs instanceof Int32Array, 'ERR_DTYPE', 'pairs', expected, describe(pairs));
  checks.expect(!isDetached(pairs), 'ERR_DTYPE', 'pairs', expected, 'one whose buffer is detached');
  checks.expect(pairs.length % 2 === 0, 'ERR_SHAPE', 'pairs', 'an even length', pairs.length);
  for (let i = 0; i < pairs.length; i++) {
    const numBlocks = i % 2 === 0 ? sourceBlocks : destinationBlocks;
    if (pairs[i] < 0 || pairs[i] >= numBlocks) {
      checks.fail('ERR_RANGE', `pairs[${i}]`, `a block >= 0 and < ${numBlocks}`, pairs[i]);
    }
  }
}

/**
 * Cuts `pairs` into runs of independent copies: a kernel may copy the pairs of a run in any order, and the runs one after
 * another give the same result as the pairs one after another. There is always a first run, which may be empty.
 *
 * @param within Whether sources and destinations are blocks of the same tensor.
 */
export function independentRuns(pairs: Int32Array, within: boolean): Int32Array[] {
  const runs: Int32Array[] = [];
  const read = new Set<number>();
  const written = new Set<number>();
  let start = 0;
  for (let i = 0; i < pairs.length; i += 2) {
    const [source, destination] = [pairs[i], pairs[i + 1]];
    const dependent = written.has(destination) || (within && (written.has(source) || read.has(destination)));
    if (dependent) {
      runs.push(pairs.subarray(start, i));
      start = i;
      read.clear();
      written.clear();
    }
    read.add(source);
    written.add(destination);
  }
  return [...runs, pairs.subarray(start)];
}

/** Checks that `pairs` is one run of {@link independentRuns}. */
export function checkIndependent(checks: Checks, pairs: Int32Array, within: boolean): void {
  if (independentRuns(pairs, within).length === 1) return;
  checks.fail('ERR_RANGE', 'pairs', 'copies that do not depend on each other', [...pairs]);
}
