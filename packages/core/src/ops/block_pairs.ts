import type { Checks } from '../checks.ts';
import { describe } from '../checks.ts';

/** What `copyBlocks` and `swapBlocks` have in common: which block is copied to which. */
export interface BlockPairsAttributes {
  /** Source block, destination block, source block, … */
  pairs: Int32Array;
}

/** `pairs` is a list of (source, destination) blocks that exist. */
export function checkBlockPairs(
  checks: Checks,
  pairs: Int32Array,
  sourceBlocks: number,
  destinationBlocks: number,
): void {
  const expected = 'an Int32Array of source, destination, source, …';
  checks.expect(pairs instanceof Int32Array, 'ERR_DTYPE', 'pairs', expected, describe(pairs));
  checks.expect(pairs.length % 2 === 0, 'ERR_SHAPE', 'pairs', 'an even length', pairs.length);
  for (let i = 0; i < pairs.length; i++) {
    const numBlocks = i % 2 === 0 ? sourceBlocks : destinationBlocks;
    if (pairs[i] < 0 || pairs[i] >= numBlocks) {
      checks.fail('ERR_RANGE', `pairs[${i}]`, `a block >= 0 and < ${numBlocks}`, pairs[i]);
    }
  }
}

/**
 * Cuts `pairs` into runs whose copies do not depend on each other, so that a kernel may copy a run in any order and the
 * runs one after another give what the pairs one after another give. There is always a first run, which may be empty.
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

/** `pairs` is one run of {@link independentRuns}. */
export function checkIndependent(checks: Checks, pairs: Int32Array, within: boolean): void {
  if (independentRuns(pairs, within).length === 1) return;
  checks.fail('ERR_RANGE', 'pairs', 'copies that do not depend on each other', [...pairs]);
}
