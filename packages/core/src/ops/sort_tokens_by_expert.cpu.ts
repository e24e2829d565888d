import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensors } from '../cpu_kernel.ts';
import type { SortTokensByExpertAttributes, SortTokensByExpertInputs } from './sort_tokens_by_expert.ts';

const opChecks = new Checks('sortTokensByExpert');

export const sortTokensByExpertCpu = cpuKernel<SortTokensByExpertInputs, SortTokensByExpertAttributes>(
  (inputs, attrs, [sortedTokenIds, expertIds]) => {
    checkSortTokensByExpertValues(inputs, attrs);
    const ends = sortPairsByExpert(inputs.ids.values, attrs.numExperts, sortedTokenIds);
    ends.forEach((end, expert) => expertIds.fill(expert, ends[expert - 1] ?? 0, end));
  },
);

/** Checks that every id is a valid expert. */
export function checkSortTokensByExpertValues(
  { ids }: CpuTensors<SortTokensByExpertInputs>,
  { numExperts }: SortTokensByExpertAttributes,
): void {
  checkExpertIds(opChecks, 'ids', ids.values, numExperts);
}

/** Throws `ERR_RANGE` for an invalid expert id. */
export function checkExpertIds(
  checks: Checks,
  argument: string,
  ids: ArrayLike<number>,
  numExperts: number,
): void {
  for (let pair = 0; pair < ids.length; pair++) {
    const expert = ids[pair];
    if (expert >= 0 && expert < numExperts) continue;
    const received = `${expert} for pair ${pair}`;
    checks.fail('ERR_RANGE', argument, `expert ids >= 0 and < ${numExperts}`, received);
  }
}

/**
 * Sorts the pairs `0..ids.length` by expert into `sorted`, with a stable counting sort. All ids must be valid. Returns
 * the end of each expert's pairs in `sorted`.
 */
export function sortPairsByExpert(
  ids: ArrayLike<number>,
  numExperts: number,
  sorted: Float32Array | Int32Array,
): Int32Array {
  const next = new Int32Array(numExperts + 1); // next[e + 1] counts expert e; after summation, next[e] is its start
  for (let pair = 0; pair < ids.length; pair++) next[ids[pair] + 1]++;
  for (let expert = 0; expert < numExperts; expert++) next[expert + 1] += next[expert];
  for (let pair = 0; pair < ids.length; pair++) sorted[next[ids[pair]]++] = pair;
  return next.subarray(0, numExperts); // each start has advanced to its end
}
