import { Checks } from '../checks.ts';
import { cpuKernel } from '../cpu_kernel.ts';
import type { CpuTensor, CpuTensors } from '../cpu_kernel.ts';
import { attention } from './attention.cpu.ts';
import type { AttentionSequence, GatherKeyValue } from './attention.cpu.ts';
import { cacheLayout, headAddress } from './cache_layout.ts';
import type { CacheStrides } from './cache_layout.ts';
import type { PagedAttentionAttributes, PagedAttentionInputs } from './paged_attention.ts';
import { checkCuSeqlens } from './query_ranges.cpu.ts';

const checks = new Checks('pagedAttention');

export const pagedAttentionCpu = cpuKernel<PagedAttentionInputs, PagedAttentionAttributes>(
  (inputs, { scale, causal, softcap, slidingWindow }, [output, lse]) => {
    const { query, keyCache, valueCache, alibiSlopes, sinks } = inputs;
    const { numKvHeads, headSize } = cacheLayout(keyCache, valueCache);
    const problem = {
      query: query.values as Float32Array,
      numHeads: query.shape[1],
      numKvHeads,
      headSize,
      sequences: sequencesOf(inputs),
      gather: gatherFromBlocks(inputs),
      scale,
      causal,
      softcap,
      slidingWindow: slidingWindow || Number.POSITIVE_INFINITY,
      alibiSlopes: alibiSlopes?.values,
      sinks: sinks?.values,
    };
    attention(problem, output as Float32Array, lse as Float32Array | undefined);
  },
);

type Inputs = CpuTensors<PagedAttentionInputs>;

function sequencesOf({
  query,
  contextLens,
  cuSeqlensQ,
  blockTables,
  keyCache,
  valueCache,
}: Inputs): AttentionSequence[] {
  const starts = cuSeqlensQ?.values;
  if (starts) checkCuSeqlens(checks, 'cuSeqlensQ', starts, query.shape[0]);
  const capacity = blockTables.shape[1] * cacheLayout(keyCache, valueCache).blockSize;
  return Array.from(contextLens.values, (contextLength, i) => {
    const expected = `0 to ${capacity}, the slots of blockTables[${i}]`;
    const valid = contextLength >= 0 && contextLength <= capacity;
    checks.expect(valid, 'ERR_RANGE', `contextLens[${i}]`, expected, contextLength);
    const queryStart = starts ? starts[i] : i;
    const queryLength = starts ? starts[i + 1] - starts[i] : 1;
    checks.expect(
      contextLength === 0 || contextLength >= queryLength,
      'ERR_RANGE',
      `contextLens[${i}]`,
      `0, or at least ${queryLength}, the query rows of the sequence (a context counts this step's tokens)`,
      contextLength,
    );
    return { queryStart, queryLength, contextLength };
  });
}

/** Reads the keys and values of a sequence through its row of the block table, a slot at a time. */
function gatherFromBlocks({ keyCache, valueCache, blockTables }: Inputs): GatherKeyValue {
  const { blockSize, numBlocks, headSize, key, value } = cacheLayout(keyCache, valueCache);
  const maxBlocks = blockTables.shape[1];
  return (sequence, kvHead, from, to, keys, values) => {
    for (let position = from; position < to; position++) {
      const index = Math.floor(position / blockSize);
      const block = blockTables.values[sequence * maxBlocks + index];
      if (!(block >= 0 && block < numBlocks)) {
        checks.expect(
          false,
          'ERR_RANGE',
          `blockTables[${sequence}, ${index}]`,
          `0 to ${numBlocks - 1}`,
          block,
        );
      }
      const slot = block * blockSize + (position % blockSize);
      const target = (position - from) * headSize;
      copyHead(keyCache, key, headAddress(key, blockSize, slot, kvHead), headSize, keys, target);
      copyHead(valueCache, value, headAddress(value, blockSize, slot, kvHead), headSize, values, target);
    }
  };
}

function copyHead(
  { values }: CpuTensor,
  { chunkSize, chunk, element }: CacheStrides,
  source: number,
  headSize: number,
  target: Float64Array,
  offset: number,
): void {
  for (let d = 0; d < headSize; d += chunkSize, source += chunk) {
    for (let i = 0, from = source; i < chunkSize; i++, from += element) target[offset + d + i] = values[from];
  }
}
