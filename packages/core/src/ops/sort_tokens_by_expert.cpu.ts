import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { SortTokensByExpertAttributes, SortTokensByExpertInputs } from './sort_tokens_by_expert.ts';

const opChecks = new Checks('sortTokensByExpert');

export const sortTokensByExpertCpu = cpuKernel<SortTokensByExpertInputs, SortTokensByExpertAttributes>(
  ({ ids }, { numExperts }, [sortedTokenIds, expertIds]) => {
    const ends = sortPairsByExpert(opChecks, 'ids', ids.values, numExperts, sortedTokenIds);
    ends.forEach((end, expert) => expertIds.fill(expert, ends[expert - 1] ?? 0, end));
  },
);

/**
 * Counting sort of the pairs `0..ids.length` by expert into `sorted`, stable. Returns where the pairs of each expert
 * end in it; `ERR_RANGE` for an id that is no expert's.
 */
export function sortPairsByExpert(
  checks: Checks,
  argument: string,
  ids: ArrayLike<number>,
  numExperts: number,
  sorted: Float32Array | Int32Array,
): Int32Array {
  const next = new Int32Array(numExperts + 1); // next[e + 1] counts expert e; summed up, next[e] is where it starts
  for (let pair = 0; pair < ids.length; pair++) {
    const expert = ids[pair];
    if (!(expert >= 0 && expert < numExperts)) {
      const received = `${expert} for pair ${pair}`;
      checks.fail('ERR_RANGE', argument, `expert ids >= 0 and < ${numExperts}`, received);
    }
    next[expert + 1]++;
  }
  for (let expert = 0; expert < numExperts; expert++) next[expert + 1] += next[expert];
  for (let pair = 0; pair < ids.length; pair++) sorted[next[ids[pair]]++] = pair;
  return next.subarray(0, numExperts); // each start has moved on to its end
}
